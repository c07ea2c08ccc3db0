import type { Clock } from '@sightline/kernel';

type IngestStage = 'decode' | 'search' | 'store' | 'answer';

/** What ingest has done so far, and how long it took, ms. Stages run beside one another: the times overlap. */
export type StageFigures = Readonly<Record<`${IngestStage}Ms`, number>> & {
  /** Groups that were stored, and what was in them. */
  readonly groups: number;
  readonly batches: number;
  readonly records: number;
};

/** Adds up where the time of ingest goes. */
export class IngestStages {
  readonly #clock: Clock;
  readonly #ms: Record<IngestStage, number> = { decode: 0, search: 0, store: 0, answer: 0 };
  #groups = 0;
  #batches = 0;
  #records = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get figures(): StageFigures {
    const { decode, search, store, answer } = this.#ms;
    const counts = { groups: this.#groups, batches: this.#batches, records: this.#records };
    return { decodeMs: decode, searchMs: search, storeMs: store, answerMs: answer, ...counts };
  }

  /** Notes a group that is stored. */
  stored(batches: readonly { readonly records: readonly unknown[] }[]): void {
    this.#groups += 1;
    this.#batches += batches.length;
    for (const { records } of batches) this.#records += records.length;
  }

  /** Starts a stage; @returns what ends it and tells how long it took, ms. */
  begin(stage: IngestStage): () => number {
    const startedMs = this.#clock.monotonicMs();
    return () => {
      const ms = this.#clock.monotonicMs() - startedMs;
      this.#ms[stage] += ms;
      return ms;
    };
  }
}
