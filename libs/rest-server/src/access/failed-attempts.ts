import type { Clock } from '@sightline/kernel';

/** Failures of one address within a window, after which nothing more is looked up for it. */
const LIMIT = 30;
const WINDOW_MS = 60_000;
/** Addresses that are remembered; the longest known are forgotten first. */
const ADDRESSES = 10_000;

interface Failures {
  readonly sinceMs: number;
  readonly count: number;
}

/**
 * Counts failed authentications by address. A key has 256 random bits and cannot be found by trying; what is bounded is
 * the work that trying makes.
 */
export class FailedAttempts {
  readonly #failures = new Map<string, Failures>();

  constructor(private readonly clock: Pick<Clock, 'monotonicMs'>) {}

  failed(address: string): void {
    const nowMs = this.clock.monotonicMs();
    const network = networkOf(address);
    const known = this.#current(network, nowMs);
    this.#failures.delete(network);
    this.#failures.set(network, { sinceMs: known?.sinceMs ?? nowMs, count: (known?.count ?? 0) + 1 });
    const [longest] = this.#failures.keys();
    if (this.#failures.size > ADDRESSES && longest !== undefined) this.#failures.delete(longest);
  }

  /** How long an address that failed too often has to wait, ms; undefined: it may try. */
  waitMs(address: string): number | undefined {
    const nowMs = this.clock.monotonicMs();
    const known = this.#current(networkOf(address), nowMs);
    return known !== undefined && known.count >= LIMIT ? known.sinceMs + WINDOW_MS - nowMs : undefined;
  }

  #current(network: string, nowMs: number): Failures | undefined {
    const known = this.#failures.get(network);
    return known !== undefined && nowMs - known.sinceMs < WINDOW_MS ? known : undefined;
  }
}

/** An IPv4 address itself; of IPv6 the first 64 bits, which one customer has to himself (RFC 6177). */
export function networkOf(address: string): string {
  const [head = '', tail] = address.split('::');
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0');
  return [...first, ...zeros, ...last].slice(0, 4).join(':');
}
