import type { Frame } from '@sightline/vision';

/** A moment by both of the box's clocks. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export interface CapturedFrame {
  /** Its bytes are the consumer's until it asks for the next frame; then they may be overwritten. */
  readonly frame: Frame;
  /** Counts what the source tried to deliver, from 0; a picture that was skipped leaves a hole. */
  readonly index: number;
  /** Place in the stream's own time, ms: what tracking goes by. Never goes backwards. */
  readonly streamMs: number;
  readonly capturedAt: Moment;
}

/**
 * A camera. A slow consumer sees fewer frames and never a queue of old ones: the next frame is made when it is
 * asked for, or is the newest that has come. What cannot be read is reported and skipped: a source fails with an
 * error that is retryable when it may deliver again later, and with another when it never can.
 */
export interface FrameSource {
  /** Frames that came and were replaced by newer ones before anybody asked for them. */
  readonly droppedFrames?: number;
  /** The frames until the source ends or the signal fires; then the iteration ends without an error. */
  frames(signal: AbortSignal): AsyncIterable<CapturedFrame>;
}
