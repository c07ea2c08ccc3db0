import type { Interval } from './identity-bootstrap.js';

/** Steps of a bisection: to twelve digits. */
const STEPS = 50;
const TERMS = 300;

/**
 * The exact interval of a rate (C. Clopper and E. Pearson, Biometrika 26, 1934): each bound alone holds with `confidence`.
 * Without any event its upper bound is close to 3 / trials at 95 %, the rule of three (J. Hanley and A. Lippman-Hand,
 * JAMA 249, 1983). Trials that hang together are given as the number of independent ones that they are worth, which need
 * not be whole (E. Korn and B. Graubard, Survey Methodology 24, 1998).
 *
 * @param rate observed, 0 to 1
 * @param trials above 0
 */
export function binomialBounds(rate: number, trials: number, confidence = 0.95): Interval {
  const events = rate * trials;
  return {
    low: events <= 0 ? 0 : betaQuantile(1 - confidence, events, trials - events + 1),
    high: events >= trials ? 1 : betaQuantile(confidence, events + 1, trials - events),
  };
}

/** Independent trials without an event after which a rate is below `rate` with 95 % confidence: about 3 / rate. */
export function trialsForRate(rate: number): number {
  return Math.ceil(Math.log(0.05) / Math.log1p(-rate));
}

function betaQuantile(probability: number, a: number, b: number): number {
  let [low, high] = [0, 1];
  for (let step = 0; step < STEPS; step += 1) {
    const middle = (low + high) / 2;
    if (incompleteBeta(middle, a, b) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The regularised incomplete beta function by its continued fraction: NIST Digital Library of Mathematical Functions, 8.17.22. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  // By Lentz's method.
  const tiny = 1e-300;
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1), tiny);
  let fraction = d;
  for (let m = 1; m <= TERMS; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    const before = fraction;
    for (const term of [even, odd]) {
      d = 1 / nonZero(1 + term * d, tiny);
      c = nonZero(1 + term / c, tiny);
      fraction *= d * c;
    }
    if (Math.abs(fraction / before - 1) < 1e-14) break;
  }
  return front * fraction;
}

const nonZero = (value: number, tiny: number): number => (Math.abs(value) < tiny ? tiny : value);

/** Stirling's series after a shift to where it is exact to twelve digits: DLMF 5.11.1. */
function logGamma(value: number): number {
  let shift = 0;
  let x = value;
  for (; x < 10; x += 1) shift -= Math.log(x);
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5) - 1 / (1680 * x ** 7);
  return shift + (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series;
}
