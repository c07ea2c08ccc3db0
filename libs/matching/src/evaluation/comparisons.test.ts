import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { compareAll, countImpostorPairs, dot } from './comparisons.js';
import { atAngle, people } from '../testing/people-on-a-circle.js';

describe('compareAll', () => {
  it('compares every image with every later one, as enrolled with as probe', () => {
    const plain = { identity: 0, enrolled: atAngle(0), probe: atAngle(90) };
    const second = { identity: 1, enrolled: atAngle(90), probe: atAngle(60) };
    const third = { identity: 0, enrolled: atAngle(45), probe: atAngle(0) };
    const { genuine, impostorTail, impostorPairs, imagesOfIdentity } = compareAll([plain, second, third], 1);
    expect([...imagesOfIdentity]).toEqual([2, 1]);
    expect([...genuine.scores]).toEqual([1]); // the first as enrolled, the third as a probe
    expect([...genuine.identities]).toEqual([0]);
    expect(impostorPairs).toBe(2);
    expect([...impostorTail.scores].map((score) => Math.round(score * 100))).toEqual([50, 0]);
    expect([...impostorTail.one]).toEqual([0, 1]);
    expect([...impostorTail.other]).toEqual([1, 0]);
  });

  it('keeps the highest impostor scores alone, falling', () => {
    fc.assert(
      fc.property(people, fc.double({ min: 0.05, max: 1, noNaN: true }), (images, share) => {
        const all = compareAll(images, 1);
        const tail = compareAll(images, share).impostorTail;
        const size = tail.scores.length;
        expect(size).toBeGreaterThanOrEqual(Math.ceil(all.impostorPairs * share));
        expect([...tail.scores]).toEqual([...all.impostorTail.scores].slice(0, size));
        expect([...all.impostorTail.scores]).toEqual([...all.impostorTail.scores].sort((a, b) => b - a));
        expect(all.impostorTail.scores.length).toBe(all.impostorPairs);
      }),
    );
  });

  it('refuses images without a genuine or without an impostor pair', () => {
    const image = { identity: 0, enrolled: atAngle(0), probe: atAngle(0) };
    const invalid = expect.objectContaining({ code: 'EVALUATION.INVALID' }) as Error;
    expect(() => compareAll([image, image], 1)).toThrow(invalid);
    expect(() => compareAll([image, { ...image, identity: 1 }], 1)).toThrow(invalid);
    expect(() => compareAll([], 1)).toThrow(invalid);
  });
});

describe('countImpostorPairs', () => {
  it('counts what a walk over the pairs counts, identities that are drawn twice included', () => {
    const small = fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 3 })), { maxLength: 6 });
    fc.assert(
      fc.property(small, (drawn) => {
        const images = Int32Array.from(drawn, ([count]) => count);
        const weights = Int32Array.from(drawn, ([, weight]) => weight);
        const copies = drawn.flatMap(([count, weight], identity) => Array<number>(count * weight).fill(identity));
        const pairs = copies.flatMap((one, at) => copies.slice(at + 1).filter((other) => other !== one));
        expect(countImpostorPairs(images, weights)).toBe(pairs.length);
      }),
    );
  });
});

it('a dot product of any length is the sum of the products', () => {
  expect(dot(Float32Array.of(1, 2, 3, 4, 5, 6), Float32Array.of(6, 5, 4, 3, 2, 1))).toBe(56);
  expect(dot(Float32Array.of(2), Float32Array.of(3))).toBe(6);
});
