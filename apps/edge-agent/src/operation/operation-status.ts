import type { MemoryStatus } from './memory-watch.js';
import type { RunCounts } from './run-history.js';

export interface OperationStatus {
  readonly memory: MemoryStatus;
  readonly runs: RunCounts;
  /** What should get on and does not: `camera:door`, `recogniser`, `outbox`. */
  readonly stuck: readonly string[];
  /** Where the local API listens; null while it does not. */
  readonly localApi: string | null;
}
