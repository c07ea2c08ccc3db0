import { describe, expect, it } from 'vitest';

import { Slots } from './slots.js';

describe('Slots', () => {
  it('lets as many in as it has places, and the others in their order', async () => {
    const slots = new Slots(1);
    const order: string[] = [];
    const release = await slots.acquire();
    const second = slots.acquire().then((giveBack) => (order.push('second'), giveBack));
    const third = slots.acquire().then((giveBack) => (order.push('third'), giveBack));
    release();
    release(); // once more changes nothing
    await expect(second).resolves.toBeTypeOf('function');
    expect(order).toEqual(['second']);
    (await second)();
    await third;
    expect(order).toEqual(['second', 'third']);
  });

  it('stops waiting when the signal is aborted, without losing the place', async () => {
    const slots = new Slots(1);
    const release = await slots.acquire();
    const controller = new AbortController();
    const waiting = slots.acquire(controller.signal);
    controller.abort(new Error('too late'));
    await expect(waiting).rejects.toThrow('too late');
    await expect(slots.acquire(controller.signal)).rejects.toThrow('too late');
    release();
    await expect(slots.acquire()).resolves.toBeTypeOf('function');
  });

  it('fails whoever waits and whoever comes after it was closed', async () => {
    const slots = new Slots(1);
    await slots.acquire();
    const waiting = slots.acquire();
    slots.close(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    await expect(slots.acquire()).rejects.toThrow('gone');
  });
});
