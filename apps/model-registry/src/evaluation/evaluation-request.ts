import type { DetectorSpec, EmbedderSpec, LandmarksSpec, PresentationAttackSpec } from '@sightline/contracts';
import type { ModelTask } from '@sightline/model-catalog';

/** A model file and what one must know to run it. */
export interface EvaluatedModel<Spec> {
  readonly bytes: Uint8Array;
  readonly spec: Spec;
}

/** A whole path from image to embedding: the variant that is evaluated in its place, and those that it works with. */
export interface EvaluatedModels {
  readonly detector: EvaluatedModel<DetectorSpec>;
  readonly landmarks: EvaluatedModel<LandmarksSpec>;
  readonly embedder: EvaluatedModel<EmbedderSpec>;
  readonly presentationAttack?: EvaluatedModel<PresentationAttackSpec>;
}

/** What is to be evaluated. */
export interface EvaluationRequest {
  /** Which of the models. */
  readonly task: ModelTask;
  readonly models: EvaluatedModels;
  /** The file that the variant was made from; it is run as the variant is. Undefined: it agrees with nothing. */
  readonly parent?: Uint8Array;
  /** A folder of `images/`, `pairs.tsv`, `calibration.txt`, `unknown.txt` and, if it has one, `labels.tsv`. */
  readonly dataSetDirectory: string;
  /** Whether an embedder is tried on pictures that were made worse: most of its time. Default: yes. */
  readonly degradedProbes?: boolean;
  /** Threads that run models. Default: 1. */
  readonly workers?: number;
}

/** How far an evaluation is. */
export interface EvaluationProgress {
  /** What is being done, for people. */
  readonly step: string;
  readonly done: number;
  readonly total: number;
}
