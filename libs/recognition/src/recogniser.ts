import type { Sha256, SpaceId } from '@sightline/kernel';
import type { Template, TemplateCodec, TemplateProtector } from '@sightline/template-protection';
import type { Box, Detection, Frame, Point, Tiling } from '@sightline/vision';

/** A face in a frame, aligned and judged, not yet embedded. */
export interface Face {
  readonly box: Box;
  /** Detector confidence, 0 to 1. */
  readonly score: number;
  /** Left eye, right eye, nose, left and right mouth corner, as seen in the picture, in pixels of the frame. */
  readonly fivePoints: readonly [Point, Point, Point, Point, Point];
  /** Fitness for recognition, 0 to 1: size, sharpness, pose, exposure, and whether anything hides it. */
  readonly quality: number;
  /** The face warped to the embedder's template, RGB (112 × 112 × 3 bytes in the default bundle). */
  readonly aligned: Uint8Array;
  /**
   * The face with what is around it, as the presentation-attack model wants it, RGB (128 × 128 × 3 bytes in the
   * default bundle). There when `detect` was asked for it.
   */
  readonly surroundings?: Uint8Array | undefined;
}

/** Durations in ms of one call, by stage. */
export interface StageMs {
  readonly detect: number;
  readonly landmarks: number;
  readonly align: number;
  readonly embed: number;
}

export interface DetectionResult {
  /** Largest first. */
  readonly faces: readonly Face[];
  /** What the detector was unsure of, surest first; there when `detect` was asked for it. */
  readonly faint?: readonly Detection[];
  readonly stageMs: Omit<StageMs, 'embed'>;
}

export interface DetectOptions {
  /** Cut out what {@link Recogniser.liveScores} needs, of faces that are good enough. Default: of none. */
  readonly surroundings?: {
    /** 0 to 1; no others will be scored, and a crop costs up to half a millisecond. */
    readonly minimumQuality: number;
  };
  /**
   * Also tell what the detector was unsure of, from a score of {@link FAINT_SCORE} on, without looking closer: a
   * tracker knows what to make of it. Default: no.
   */
  readonly faint?: boolean;
  /** Have the detector look at parts of the frame as well, each for the time of a whole one. Default: no. */
  readonly tiles?: Tiling | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What scores less is noise: people half hidden or turned away mostly score more. */
export const FAINT_SCORE = 0.2;

export interface LiveScores {
  /**
   * One for each face, in order: how much it looks like a live person, 0 to 1. No probability: how it is to be read
   * is in docs/presentation-attacks.md.
   */
  readonly scores: readonly number[];
  readonly presentationMs: number;
}

export interface EmbeddingResult {
  /** One for each aligned face, in order. */
  readonly templates: readonly Template[];
  readonly embedMs: number;
}

export type FaceViews = 'one' | 'several';

export interface EmbedOptions {
  /** The tenant's keyed transform: no raw embedding leaves the recogniser. */
  readonly protector: TemplateProtector;
  readonly codec: TemplateCodec;
  /**
   * 'several': the mean of the face as it is, in a mirror, and moved by two pixels in each direction. Steadier, for
   * six times the time: for enrolment. Default: 'one'.
   */
  readonly views?: FaceViews;
  readonly signal?: AbortSignal;
}

/** The recognition path of one verified bundle, in worker threads. */
export interface Recogniser {
  readonly spaceId: SpaceId;
  /** Digest of the embedder variant that runs. */
  readonly variantDigest: Sha256;
  /** Components of an embedding. */
  readonly dimension: number;
  /** Execution provider really in use: 'cpu', 'cuda', … */
  readonly provider: string;
  /** Whether presentations can be scored: it was opened for that, and its bundle has the model. */
  readonly scoresPresentations: boolean;

  /**
   * Detect → landmarks → align → quality.
   *
   * @param frame over a SharedArrayBuffer (as `decodeImage` returns it) it is read in place and must not
   *   change until the answer; any other is copied first
   */
  detect(frame: Frame, options?: DetectOptions): Promise<DetectionResult>;

  /**
   * Embed → protect.
   *
   * @param faces aligned crops with their quality, as `detect` returned them
   */
  embed(faces: readonly Pick<Face, 'aligned' | 'quality'>[], options: EmbedOptions): Promise<EmbeddingResult>;

  /**
   * Presentation-attack detection: all faces in one run of the model.
   *
   * @param faces as `detect` returned them when asked for surroundings
   * @throws AppError `PRESENTATION.UNAVAILABLE` when it scores no presentations, or a face has no surroundings
   */
  liveScores(faces: readonly Pick<Face, 'surroundings'>[], signal?: AbortSignal): Promise<LiveScores>;

  close(): Promise<void>;
}
