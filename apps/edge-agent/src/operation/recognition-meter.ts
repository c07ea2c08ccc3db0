import type { Recogniser, StageMs } from '@sightline/recognition';

/** A step of recognition that takes time worth knowing. */
export type MeteredStage = keyof StageMs;

export interface RecognitionCounts {
  /** Faces that were found in frames. */
  readonly detections: number;
  /** Faces that were made templates. */
  readonly embeddings: number;
  /** Calls that failed. */
  readonly failures: number;
  /** Those of them that should have made templates. */
  readonly embedFailures: number;
}

type Observer = (stage: MeteredStage, ms: number) => void;

/** Counts what the recognisers of an agent do, one after the other, and tells how long the stages take. */
export class RecognitionMeter {
  #counts: RecognitionCounts = { detections: 0, embeddings: 0, failures: 0, embedFailures: 0 };
  readonly #observers: Observer[] = [];

  get counts(): RecognitionCounts {
    return this.#counts;
  }

  /** `observe` gets each duration: of a frame for detection, of one face for the rest. */
  onStage(observe: Observer): void {
    this.#observers.push(observe);
  }

  /** The same recogniser, watched. */
  watch(recogniser: Recogniser): Recogniser {
    const { spaceId, variantDigest, dimension, provider, scoresPresentations } = recogniser;
    return {
      ...{ spaceId, variantDigest, dimension, provider, scoresPresentations },
      detect: async (frame, options) => {
        const result = await this.#counted(() => recogniser.detect(frame, options));
        const { faces, stageMs } = result;
        this.#counts = { ...this.#counts, detections: this.#counts.detections + faces.length };
        this.#observe('detect', stageMs.detect);
        for (const stage of ['landmarks', 'align'] as const) this.#observe(stage, stageMs[stage], faces.length);
        return result;
      },
      embed: async (faces, options) => {
        const result = await this.#counted(() => recogniser.embed(faces, options), 1);
        this.#counts = { ...this.#counts, embeddings: this.#counts.embeddings + faces.length };
        this.#observe('embed', result.embedMs, faces.length);
        return result;
      },
      liveScores: (faces, signal) => this.#counted(() => recogniser.liveScores(faces, signal)),
      close: () => recogniser.close(),
    };
  }

  async #counted<T>(call: () => Promise<T>, embeds: 0 | 1 = 0): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const { failures, embedFailures } = this.#counts;
      this.#counts = { ...this.#counts, failures: failures + 1, embedFailures: embedFailures + embeds };
      throw error;
    }
  }

  #observe(stage: MeteredStage, totalMs: number, count = 1): void {
    if (count === 0) return;
    for (const observe of this.#observers) observe(stage, totalMs / count);
  }
}
