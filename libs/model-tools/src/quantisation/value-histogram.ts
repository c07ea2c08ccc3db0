import type { Range } from './code.js';

/** How a range is found: all that was seen, all but a share at either end, or where the mean squared error is least. */
export type RangeMethod = 'minmax' | 'percentile' | 'mse';

/** Of the values, 99.99 %, as by the percentile method of other quantisers. */
const PERCENTILE = 0.9999;
const BINS = 2048;
const LEVELS = 255;
/** Ranges are tried in this many steps at either end. */
const STEPS = 128;

/**
 * How often each value was seen, zeros apart: they are coded exactly. A value may weigh less than one: what follows
 * multiplies its error by the root of the weight.
 */
export class ValueHistogram {
  readonly #low: number;
  readonly #high: number;
  readonly #counts = new Float64Array(BINS);
  readonly #weights = new Float64Array(BINS);
  #zeros = 0;

  /** @param range of all values that will come, from below 0 to above */
  constructor({ low, high }: Range) {
    this.#low = low;
    this.#high = high > low ? high : low + 1;
  }

  /**
   * Adds a part of a list of values.
   *
   * @param negativeWeight of values below 0; the others' is one
   */
  add(values: Float32Array, from: number, to: number, negativeWeight: number): void {
    const low = this.#low;
    const perUnit = BINS / (this.#high - low);
    const [counts, weights] = [this.#counts, this.#weights];
    for (let index = from; index < to; index++) {
      const value = values[index] ?? 0;
      if (value === 0) {
        this.#zeros += 1;
        continue;
      }
      const bin = Math.max(0, Math.min(BINS - 1, Math.floor((value - low) * perUnit)));
      counts[bin] = (counts[bin] ?? 0) + 1;
      weights[bin] = (weights[bin] ?? 0) + (value < 0 ? negativeWeight : 1);
    }
  }

  range(method: RangeMethod): Range {
    if (method === 'minmax') return { low: this.#low, high: this.#high };
    return method === 'percentile' ? this.#percentile() : this.#leastSquares();
  }

  #percentile(): Range {
    const total = this.#counts.reduce((sum, count) => sum + count, this.#zeros);
    const beyond = total * (1 - PERCENTILE);
    let high = BINS;
    for (let left = beyond; high > 1; high--) {
      left -= this.#counts[high - 1] ?? 0;
      if (left < 0) break;
    }
    let low = 0;
    for (let left = beyond; low < BINS - 1; low++) {
      left -= this.#counts[low] ?? 0;
      if (left < 0) break;
    }
    return { low: Math.min(0, this.#edge(low)), high: Math.max(0, this.#edge(high)) };
  }

  /**
   * The error of a range: what is beyond it is moved to its end, and what is within is rounded, by step²/12 on the
   * mean. Values below 0 of less weight are multiplied, and the product is rounded again.
   */
  #leastSquares(): Range {
    const total = this.#weights.reduce((sum, weight) => sum + weight, 0);
    const again = this.#counts.reduce((sum, count, bin) => sum + (count > (this.#weights[bin] ?? 0) ? count : 0), 0);
    const rounding = (total + again) / 12;
    const steps = Array.from({ length: STEPS }, (_, step) => (step + 1) / STEPS);
    const lows = this.#low < 0 ? steps.map((share) => share * this.#low) : [0];
    const highs = this.#high > 0 ? steps.map((share) => share * this.#high) : [0];
    const below = lows.map((low) => this.#beyond(low, -1));
    const above = highs.map((high) => this.#beyond(high, 1));
    let best = { low: this.#low, high: this.#high };
    let least = Number.POSITIVE_INFINITY;
    lows.forEach((low, atLow) => {
      highs.forEach((high, atHigh) => {
        const error = rounding * ((high - low) / LEVELS) ** 2 + (below[atLow] ?? 0) + (above[atHigh] ?? 0);
        if (error >= least) return;
        least = error;
        best = { low, high };
      });
    });
    return best;
  }

  /** The weighted squares of how far values lie beyond a limit. @param side 1: above, −1: below */
  #beyond(limit: number, side: 1 | -1): number {
    let sum = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const distance = (this.#edge(bin + 0.5) - limit) * side;
      if (distance > 0) sum += (this.#weights[bin] ?? 0) * distance * distance;
    }
    return sum;
  }

  #edge(bin: number): number {
    return this.#low + (bin / BINS) * (this.#high - this.#low);
  }
}
