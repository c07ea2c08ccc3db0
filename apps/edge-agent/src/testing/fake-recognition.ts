import type { Sha256, SpaceId } from '@sightline/kernel';
import type {
  DetectionResult,
  DetectOptions,
  EmbeddingResult,
  EmbedOptions,
  Face,
  LiveScores,
  Recogniser,
} from '@sightline/recognition';
import { encodeTemplate } from '@sightline/template-protection';
import type { Box, Frame, Point } from '@sightline/vision';

import type { CapturedFrame, FrameSource } from '../capture/frame-source.js';

const DIMENSION = 8;
const FRAME_MS = 100;

/** A face of a scripted frame: whose it is, where, and how good. */
export interface ScriptedFace {
  /** The direction of its embedding. */
  readonly person: number;
  readonly x: number;
  readonly quality?: number;
  /** Of the detector, 0 to 1; below a half it is unsure. Default 0.9. */
  readonly score?: number;
}

const scripts = new WeakMap<Frame, readonly ScriptedFace[]>();

/** A frame in which the fake recogniser finds the scripted faces. */
export function scriptedFrame(faces: readonly ScriptedFace[]): Frame {
  const frame: Frame = { width: 64, height: 64, data: new Uint8Array(0) };
  scripts.set(frame, faces);
  return frame;
}

/** Plays frames at ten a second of its own time, as fast as they are taken. */
export class ScriptedSource implements FrameSource {
  readonly #frames: readonly (readonly ScriptedFace[])[];
  /** Resolves before the frame of that index is delivered. */
  readonly #before: (index: number) => Promise<void>;

  constructor(
    frames: readonly (readonly ScriptedFace[])[],
    before: (index: number) => Promise<void> = async () => undefined,
  ) {
    this.#frames = frames;
    this.#before = before;
  }

  async *frames(signal: AbortSignal): AsyncIterable<CapturedFrame> {
    for (const [index, faces] of this.#frames.entries()) {
      await this.#before(index);
      if (signal.aborted) return;
      const capturedAt = { monotonicMs: 1000 + index * FRAME_MS, wallMs: 1_700_000_000_000 + index * FRAME_MS };
      yield { frame: scriptedFrame(faces), index, streamMs: index * FRAME_MS, capturedAt };
    }
  }
}

const centre: Point = { x: 0, y: 0 };

/** Finds what frames were scripted to hold; the embedding of a person is a unit vector of their own. */
export class FakeRecogniser implements Recogniser {
  readonly spaceId = 'fake-space' as SpaceId;
  readonly variantDigest = 'd'.repeat(64) as Sha256;
  readonly dimension = DIMENSION;
  readonly provider = 'cpu';
  scoresPresentations = false;
  /** How much each person looks alive, where presentations are scored; 0.9 unless told. */
  readonly liveScoreOf = new Map<number, number>();
  /** Frames that were searched. */
  searched = 0;
  /** Crops that were embedded. */
  embedded = 0;
  isClosed = false;
  /** Thrown by the next call of each. */
  readonly failures: { detect?: Error; embed?: Error } = {};

  async detect(frame: Frame, { surroundings, faint }: DetectOptions = {}): Promise<DetectionResult> {
    this.#mustBeOpen();
    const { detect: failure } = this.failures;
    delete this.failures.detect;
    if (failure) throw failure;
    this.searched += 1;
    const boxOf = (x: number): Box => ({ x, y: 10, width: 50, height: 50 });
    const script = (scripts.get(frame) ?? []).map((face) => ({ score: 0.9, ...face }));
    const unsure = script.filter(({ score }) => score < 0.5).map(({ x, score }) => ({ box: boxOf(x), score }));
    const sure = script.filter(({ score }) => score >= 0.5);
    const faces = sure.map(({ person, x, score, quality = 0.8 }): Face => ({
      box: boxOf(x),
      score,
      fivePoints: [centre, centre, centre, centre, centre],
      quality,
      // Two pixels by two.
      aligned: new Uint8Array(12).fill(person),
      ...(surroundings && this.scoresPresentations && { surroundings: Uint8Array.of(person) }),
    }));
    const stageMs = { detect: 2, landmarks: faces.length, align: faces.length };
    return { faces, stageMs, ...(faint && { faint: unsure }) };
  }

  async embed(
    faces: readonly Pick<Face, 'aligned' | 'quality'>[],
    { protector, codec }: EmbedOptions,
  ): Promise<EmbeddingResult> {
    this.#mustBeOpen();
    const { embed: failure } = this.failures;
    delete this.failures.embed;
    if (failure) throw failure;
    this.embedded += faces.length;
    const { spaceId, variantDigest } = this;
    const templates = faces.map(({ aligned, quality }) => {
      const vector = new Float32Array(DIMENSION);
      vector[(aligned[0] ?? 0) % DIMENSION] = 1;
      return encodeTemplate(protector.protect(vector), {
        spaceId,
        keyId: protector.keyId,
        variantDigest,
        codec,
        quality,
      });
    });
    return { templates, embedMs: 3 * faces.length };
  }

  async liveScores(faces: readonly Pick<Face, 'surroundings'>[]): Promise<LiveScores> {
    this.#mustBeOpen();
    const scores = faces.map(({ surroundings }) => this.liveScoreOf.get(surroundings?.[0] ?? -1) ?? 0.9);
    return { scores, presentationMs: 4 * faces.length };
  }

  async close(): Promise<void> {
    this.#mustBeOpen();
    this.isClosed = true;
  }

  #mustBeOpen(): void {
    if (this.isClosed) throw new Error('the recogniser is closed');
  }
}
