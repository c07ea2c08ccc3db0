import { backoffMs } from '@sightline/kernel';

export interface ReconnectBounds {
  /** Bound of the first delay, ms; it doubles with each attempt. */
  readonly baseMs: number;
  /** Bound of every delay, ms. */
  readonly capMs: number;
}

/** Who is refused is not let in a moment later: these bounds keep a wrong password from hammering a broker. */
export const REFUSED: ReconnectBounds = { baseMs: 10_000, capMs: 300_000 };

/** A connection that lasted at least so long was one, ms. */
const STABLE_MS = 1000;

/**
 * How long to wait before the next connection: uniform between nothing and min(cap, base · 2^attempt), the "full
 * jitter" of Brooker, Exponential Backoff and Jitter (AWS, 2015). Clients that lose their broker at the same moment
 * arrive spread over the whole bound.
 */
export class ReconnectPolicy {
  readonly #bounds: ReconnectBounds;
  readonly #random: () => number;
  #attempt = 0;
  #refusals = 0;

  constructor(bounds: ReconnectBounds, random: () => number) {
    this.#bounds = bounds;
    this.#random = random;
  }

  /**
   * @param session how long it lasted, ms, from the CONNACK to the end, 0 for what never connected; and whether the
   *   broker or we refused
   * @returns ms
   */
  delayMs(session: { readonly lastedMs: number; readonly refused: boolean }): number {
    if (session.refused) return backoffMs(this.#refusals++, { ...REFUSED, random: this.#random });
    const { baseMs, capMs } = this.#bounds;
    const boundMs = Math.min(capMs, baseMs * 2 ** Math.min(this.#attempt, 30));
    // One that the broker ends at once was no good connection.
    const wasStable = session.lastedMs > Math.max(boundMs, STABLE_MS);
    if (wasStable) this.reset();
    else this.#attempt += 1;
    return this.#random() * (wasStable ? Math.min(capMs, baseMs) : boundMs);
  }

  /** What was wrong may be right now. */
  reset(): void {
    this.#attempt = 0;
    this.#refusals = 0;
  }
}
