import { seededIntegers } from '@sightline/kernel';

const RANGE = 2 ** 32;

/** Seeded draws for films: the same seed shows the same film. */
export class Random {
  readonly #integers: (below: number) => number;

  constructor(seed: number) {
    this.#integers = seededIntegers(seed);
  }

  /** Uniform, from `low` to below `high`. */
  between(low: number, high: number): number {
    return low + ((high - low) * this.#integers(RANGE)) / RANGE;
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.between(0, 1) < probability;
  }

  /** Normally distributed (Box and Muller 1958). */
  normal(mean: number, deviation: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.between(0, 1)));
    return mean + deviation * radius * Math.cos(2 * Math.PI * this.between(0, 1));
  }

  /** A waiting time with this mean. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.between(0, 1));
  }
}
