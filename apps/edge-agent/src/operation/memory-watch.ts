import { AppError, errorMessage, type Clock, type Logger } from '@sightline/kernel';

const MEGABYTE = 1024 * 1024;
const SAMPLE_EVERY_MS = 5000;
/** So many samples in a row, so that a release that is opened beside the one that runs is no reason. */
const SAMPLES_ABOVE = 6;
/** Above the ceiling again so soon after it was relieved: what grows is not the recogniser's. */
const RELIEF_MUST_LAST_MS = 600_000;

export interface MemoryStatus {
  readonly residentMegabytes: number;
  readonly maximumMegabytes: number;
  /** How often the recogniser was opened anew to get below the ceiling. */
  readonly reliefs: number;
}

export interface MemoryWatchOptions {
  readonly maximumMegabytes: number;
  /** Of the whole process, all threads included, bytes. */
  readonly residentBytes: () => number;
  /** Gives memory back as far as that is possible while the agent runs. */
  readonly relieve: () => Promise<void>;
  /** Nothing helped: the agent is to stop in order and be started again. */
  readonly onExceeded: (error: AppError) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Keeps the agent below its memory ceiling. When resident memory stays above it for half a minute, the recogniser's
 * threads, which hold most of it, are replaced. When that does not last, the agent ends itself in order, before the
 * kernel ends it, or another program, in no order.
 */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #above = 0;
  #relievedMs = -Infinity;
  #reliefs = 0;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  get status(): MemoryStatus {
    const { residentBytes, maximumMegabytes } = this.#options;
    return { residentMegabytes: Math.round(residentBytes() / MEGABYTE), maximumMegabytes, reliefs: this.#reliefs };
  }

  /** Watches until the signal fires. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      await this.#options.clock.sleep(SAMPLE_EVERY_MS, signal).catch(() => undefined);
      if (!isOver()) await this.#sample();
    }
  }

  async #sample(): Promise<void> {
    const { maximumMegabytes, residentBytes, clock, log, onExceeded } = this.#options;
    this.#above = residentBytes() > maximumMegabytes * MEGABYTE ? this.#above + 1 : 0;
    if (this.#above < SAMPLES_ABOVE) return;
    this.#above = 0;
    const { residentMegabytes } = this.status;
    if (clock.monotonicMs() - this.#relievedMs < RELIEF_MUST_LAST_MS) {
      const message = 'The agent’s resident memory stays above its ceiling.';
      const details = { residentMegabytes, maximumMegabytes };
      onExceeded(new AppError('AGENT.MEMORY_EXCEEDED', message, { retryable: true, details }));
      return;
    }
    log.warn({ residentMegabytes, maximumMegabytes }, 'resident memory is above its ceiling: replacing the recogniser');
    await this.#relieve();
  }

  async #relieve(): Promise<void> {
    const { relieve, clock, log } = this.#options;
    try {
      await relieve();
    } catch (error) {
      log.error({ cause: errorMessage(error) }, 'the recogniser could not be replaced');
    }
    this.#reliefs += 1;
    this.#relievedMs = clock.monotonicMs();
  }
}
