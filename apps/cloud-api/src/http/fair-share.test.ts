import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FairShare } from './fair-share.js';

const fill = (room: FairShare, client: string): number => {
  let held = 0;
  while (room.take(client, 1)) held += 1;
  return held;
};

describe('a fair share', () => {
  it('of one client alone is half of the room, of the next half of the rest', () => {
    const room = new FairShare(120);
    expect(fill(room, 'a')).toBe(60);
    expect(fill(room, 'b')).toBe(30);
    expect(fill(room, 'c')).toBe(15);
  });

  it('is the same for all who come together', () => {
    const room = new FairShare(120);
    const held = { a: 0, b: 0, c: 0 };
    for (let round = 0; round < 60; round += 1) {
      for (const client of ['a', 'b', 'c'] as const) if (room.take(client, 1)) held[client] += 1;
    }
    expect(held).toEqual({ a: 30, b: 30, c: 30 });
  });

  it('never exceeds the room, and is whole again when everything is given back', () => {
    const amounts = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 50 })), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(amounts, (asked) => {
        const room = new FairShare(100);
        const taken = asked.filter(([client, amount]) => room.take(client, amount));
        expect(room.total).toBe(taken.reduce((sum, [, amount]) => sum + amount, 0));
        expect(room.total).toBeLessThanOrEqual(100);
        for (const [client, amount] of taken) room.give(client, amount);
        expect(room.total).toBe(0);
        expect(fill(room, 'a')).toBe(50);
      }),
    );
  });
});
