import { readFileSync } from 'node:fs';

import { writeFileDurablySync } from '@sightline/host';
import { isAppError, type Clock, type Logger } from '@sightline/kernel';

/** The mark is written at most so often: a box that loses power forgets at most so much of it. */
const PERSIST_EVERY_MS = 60_000;

export interface TrustedTimeOptions {
  /** Where the mark outlives the process. */
  readonly path: string;
  readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs'>;
  /** Whether the box's clock is known to be synchronised. */
  readonly isSynchronised: () => boolean;
  readonly log: Logger;
}

/**
 * Time for leases and expiry: max(the box's clock, the highest time known to have passed). A box that boots in
 * 1970, or whose clock somebody sets back, makes nothing valid again that has expired.
 *
 * The mark rises by what can be trusted alone: a synchronised clock, times that the cloud states, and monotonic
 * time since. A clock that is wrong and ahead therefore makes things expire early while it is ahead, and not for
 * ever.
 */
export class TrustedTime {
  readonly #options: TrustedTimeOptions;
  /** The mark, as it was when `#markedAtMs` was the monotonic time. */
  #markMs: number;
  #markedAtMs: number;
  #persistedMs: number;

  constructor(options: TrustedTimeOptions) {
    this.#options = options;
    this.#markMs = read(options.path, options.log);
    this.#persistedMs = this.#markMs;
    this.#markedAtMs = options.clock.monotonicMs();
  }

  /** Never earlier than any earlier answer that the mark was raised to, ms since the Unix epoch. */
  nowMs(): number {
    const { clock, isSynchronised } = this.#options;
    const wallMs = clock.wallMs();
    this.#raise(isSynchronised() ? wallMs : -Infinity);
    return Math.max(wallMs, this.#markMs);
  }

  /** Somebody who can be trusted says that it is at least so late, ms since the Unix epoch. */
  observe(atLeastMs: number): void {
    this.#raise(atLeastMs);
  }

  /** Writes the mark down, whenever it last was. */
  persist(): void {
    this.#raise(-Infinity);
    this.#persist();
  }

  #raise(atLeastMs: number): void {
    const monotonicMs = this.#options.clock.monotonicMs();
    const elapsedMs = monotonicMs - this.#markedAtMs;
    // Without a mark elapsed time starts nowhere.
    const aged = this.#markMs === 0 ? 0 : this.#markMs + elapsedMs;
    this.#markMs = Math.max(aged, Number.isFinite(atLeastMs) ? atLeastMs : 0);
    this.#markedAtMs = monotonicMs;
    if (this.#markMs - this.#persistedMs >= PERSIST_EVERY_MS) this.#persist();
  }

  #persist(): void {
    if (this.#markMs <= this.#persistedMs) return;
    // Also when it fails: a full disk is not to be asked with every look at the clock.
    this.#persistedMs = this.#markMs;
    try {
      writeFileDurablySync(this.#options.path, JSON.stringify({ highWaterMarkMs: Math.floor(this.#markMs) }), 0o600);
    } catch (error) {
      const code = isAppError(error) ? error.code : 'CLOCK.MARK_NOT_WRITTEN';
      this.#options.log.warn({ code }, 'the highest time seen could not be written down');
    }
  }
}

function read(path: string, log: Logger): number {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return 0;
  }
  try {
    const document: unknown = JSON.parse(text);
    const mark = typeof document === 'object' && document !== null && 'highWaterMarkMs' in document;
    if (mark && typeof document.highWaterMarkMs === 'number' && document.highWaterMarkMs >= 0) {
      return document.highWaterMarkMs;
    }
  } catch {
    // Told below.
  }
  log.error({ code: 'CLOCK.MARK_UNREADABLE' }, 'the highest time seen is damaged: starting without');
  return 0;
}
