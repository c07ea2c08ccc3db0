import { describe, expect, it } from 'vitest';

import { countTracking, idf1, mota, type Labelled, type ScoredFrame } from './metrics.js';

const at = (id: number, x: number): Labelled => ({ id, box: { x, y: 0, width: 100, height: 100 } });
const frame = (truth: readonly Labelled[], output: readonly Labelled[]): ScoredFrame => ({ truth, output });

describe('the counts of CLEAR MOT and of identities', () => {
  it('finds nothing wrong with the truth itself, whatever its ids are called', () => {
    const counts = countTracking(
      Array.from({ length: 5 }, (_, i) => frame([at(1, i), at(2, 500)], [at(7, 500), at(9, i)])),
    );
    expect(counts).toEqual({
      truth: 10,
      output: 10,
      misses: 0,
      falsePositives: 0,
      identitySwitches: 0,
      identityTruePositives: 10,
    });
    expect(mota(counts)).toBe(1);
    expect(idf1(counts)).toBe(1);
  });

  it('counts misses and false positives, and a box too far off as both', () => {
    const counts = countTracking([frame([at(1, 0), at(2, 500)], [at(1, 0)]), frame([at(1, 0)], [at(1, 60)])]);
    expect(counts).toMatchObject({ truth: 3, output: 2, misses: 2, falsePositives: 1, identitySwitches: 0 });
    expect(mota(counts)).toBeCloseTo(0);
    // One box of two and three agrees.
    expect(idf1(counts)).toBeCloseTo(2 / 5);
  });

  it('counts a switch when another id takes over, also after frames without any', () => {
    const counts = countTracking([
      frame([at(1, 0)], [at(5, 0)]),
      frame([at(1, 0)], []),
      frame([at(1, 0)], [at(6, 0)]),
      frame([at(1, 0)], [at(6, 0)]),
    ]);
    expect(counts).toMatchObject({ misses: 1, identitySwitches: 1, identityTruePositives: 2 });
    expect(mota(counts)).toBeCloseTo(1 - 2 / 4);
    expect(idf1(counts)).toBeCloseTo(4 / 7);
  });

  it('keeps a pair that is still valid although another box lies better', () => {
    const counts = countTracking([
      frame([at(1, 0)], [at(5, 0)]),
      frame([at(1, 10)], [at(5, 0), at(6, 10)]),
      frame([at(1, 20)], [at(5, 20)]),
    ]);
    expect(counts).toMatchObject({ falsePositives: 1, identitySwitches: 0 });
  });

  it('counts both people when they change ids', () => {
    const counts = countTracking([
      frame([at(1, 0), at(2, 500)], [at(5, 0), at(6, 500)]),
      frame([at(1, 0), at(2, 500)], [at(6, 0), at(5, 500)]),
    ]);
    expect(counts).toMatchObject({ misses: 0, falsePositives: 0, identitySwitches: 2, identityTruePositives: 2 });
  });

  it('gives one reported identity to one true one only, where it agrees longest', () => {
    // Two people under one id: three frames of the one, two of the other.
    const counts = countTracking([
      ...Array.from({ length: 3 }, () => frame([at(1, 0)], [at(5, 0)])),
      ...Array.from({ length: 2 }, () => frame([at(2, 0)], [at(5, 0)])),
    ]);
    expect(counts).toMatchObject({ identitySwitches: 0, identityTruePositives: 3 });
    expect(mota(counts)).toBe(1);
    expect(idf1(counts)).toBeCloseTo(0.6);
  });

  it('neither asks for hidden faces nor blames who finds them', () => {
    const hidden = { truth: [at(1, 0)], ignored: [at(2, 500)], output: [at(5, 0), at(6, 500)] };
    expect(countTracking([hidden])).toMatchObject({ truth: 1, output: 1, misses: 0, falsePositives: 0 });
    const nobody = { ...hidden, output: [at(5, 0), at(6, 900)] };
    expect(countTracking([nobody])).toMatchObject({ output: 2, falsePositives: 1 });
  });
});
