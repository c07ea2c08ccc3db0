import { AppError, type Clock } from '@sightline/kernel';
import { networkOf } from '@sightline/rest-server';
import { Inject, Injectable } from '@nestjs/common';

import { CLOCK } from '../platform/tokens.js';

/** Of one network within a window: a site behind one address has so many boxes that begin at once, or more in a second. */
const LIMIT = 60;
const WINDOW_MS = 60_000;
/** Networks that are remembered; the longest known are forgotten first. */
const NETWORKS = 10_000;

/**
 * Counts requests for certificates by network: who asks has no key yet, and each costs a signature. Nobody finds a token of
 * 256 bits by trying; what is bounded is the work.
 */
@Injectable()
export class RequestPace {
  readonly #counts = new Map<string, { readonly sinceMs: number; readonly count: number }>();

  constructor(@Inject(CLOCK) private readonly clock: Pick<Clock, 'monotonicMs'>) {}

  /** @throws AppError `REQUEST.RATE_LIMITED` (retryable, says when) */
  take(address: string): void {
    const nowMs = this.clock.monotonicMs();
    const network = networkOf(address);
    const known = this.#counts.get(network);
    const { sinceMs, count } = known && nowMs - known.sinceMs < WINDOW_MS ? known : { sinceMs: nowMs, count: 0 };
    this.#counts.delete(network);
    this.#counts.set(network, { sinceMs, count: count + 1 });
    const [longest] = this.#counts.keys();
    if (this.#counts.size > NETWORKS && longest !== undefined) this.#counts.delete(longest);
    if (count < LIMIT) return;
    throw new AppError('REQUEST.RATE_LIMITED', 'More requests for certificates than a minute allows. Try again.', {
      retryable: true,
      details: { retryAfterSeconds: (sinceMs + WINDOW_MS - nowMs) / 1000 },
    });
  }
}
