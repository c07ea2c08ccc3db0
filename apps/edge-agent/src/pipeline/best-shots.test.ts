import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BestShots, type Shot } from './best-shots.js';

function shot(streamMs: number, quality: number, releaseDigest = 'a'): Shot {
  return { aligned: new Uint8Array(0), quality, streamMs, releaseDigest };
}

const shots = fc.array(fc.tuple(fc.integer({ min: 0, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true })), {
  maxLength: 60,
});

describe('best shots', () => {
  it('are the best of their slots, whatever the order in which shots come', () => {
    fc.assert(
      fc.property(shots, fc.integer({ min: 1, max: 5 }), (offered, limit) => {
        const best = new BestShots();
        for (const [streamMs, quality] of offered) best.offer(shot(streamMs, quality), { limit, spacingMs: 250 });
        const bestOfSlot = new Map<number, number>();
        for (const [streamMs, quality] of offered) {
          const slot = Math.floor(streamMs / 250);
          bestOfSlot.set(slot, Math.max(bestOfSlot.get(slot) ?? 0, quality));
        }
        const expected = [...bestOfSlot.values()].sort((a, b) => b - a).slice(0, limit);
        expect(best.shots.map(({ quality }) => quality)).toEqual(expected);
      }),
    );
  });

  it('stay spread when every shot is better than the one before', () => {
    const best = new BestShots();
    for (let index = 0; index < 8; index += 1) {
      best.offer(shot(index * 100, 0.5 + index / 100), { limit: 3, spacingMs: 250 });
    }
    expect(best.shots.map(({ streamMs }) => streamMs)).toEqual([700, 400, 200]);
  });

  it('can be told to forget another release’s', () => {
    const best = new BestShots();
    best.offer(shot(0, 0.9, 'old'), { limit: 3, spacingMs: 0 });
    best.offer(shot(1, 0.8, 'new'), { limit: 3, spacingMs: 0 });
    best.keepOnly('new');
    expect(best.shots).toMatchObject([{ releaseDigest: 'new' }]);
  });
});
