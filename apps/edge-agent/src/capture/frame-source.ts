import type { Frame } from '@sightline/vision';

/** A moment by both of the box's clocks. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export interface CapturedFrame {
  readonly frame: Frame;
  /** Counts what the source tried to deliver, from 0; a picture that was skipped leaves a hole. */
  readonly index: number;
  /** Place in the stream's own time, ms: what tracking goes by. Never goes backwards. */
  readonly streamMs: number;
  readonly capturedAt: Moment;
}

/**
 * A camera. The next frame is made when the consumer asks for it, so a slow consumer sees fewer frames and
 * never a queue of old ones. What cannot be read is reported and skipped: a source fails only when it can
 * never deliver again.
 */
export interface FrameSource {
  /** The frames until the source ends or the signal fires; then the iteration ends without an error. */
  frames(signal: AbortSignal): AsyncIterable<CapturedFrame>;
}
