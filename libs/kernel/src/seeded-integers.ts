/**
 * A seeded generator of integers: mulberry32 (Tommy Ettinger, public domain), 32-bit integers alone, so that
 * every machine draws the same. For measurements and tests, never for secrets.
 *
 * @returns a whole number from 0 to below its argument, which is at most 2³²
 */
export function seededIntegers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
