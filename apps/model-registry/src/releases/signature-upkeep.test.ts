import { silentLogger, type Clock } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { keepSignaturesFresh } from './signature-upkeep.js';

const HOUR = 3_600_000;

/** Virtual time that passes only in sleeps, and ends the test after some of them. */
function virtualClock(sleeps: number, stop: AbortController): Clock & { readonly slept: number[] } {
  let now = 0;
  const slept: number[] = [];
  return {
    slept,
    wallMs: () => now,
    monotonicMs: () => now,
    sleep: async (ms) => {
      now += ms;
      if (slept.push(ms) >= sleeps) stop.abort();
    },
  };
}

describe('the upkeep of signatures', () => {
  it('looks when the next signature is due, and at least every hour', async () => {
    const stop = new AbortController();
    const clock = virtualClock(3, stop);
    const calls: number[] = [];
    const keepFresh = async (): Promise<number> => calls.push(clock.wallMs()) && 1.5 * HOUR;
    await keepSignaturesFresh({ keepFresh }, { clock, log: silentLogger, signal: stop.signal });
    expect(calls).toEqual([0, HOUR, 1.5 * HOUR]);
  });

  it('goes on after a failure', async () => {
    const stop = new AbortController();
    const clock = virtualClock(2, stop);
    let calls = 0;
    const keepFresh = async (): Promise<number> => {
      calls += 1;
      throw new Error('the disk is full');
    };
    await keepSignaturesFresh({ keepFresh }, { clock, log: silentLogger, signal: stop.signal });
    expect(calls).toBe(2);
    expect(clock.slept).toEqual([60_000, 60_000]);
  });

  it('ends at once when it is stopped', async () => {
    const stop = new AbortController();
    stop.abort();
    const clock = virtualClock(1, stop);
    await keepSignaturesFresh({ keepFresh: async () => 0 }, { clock, log: silentLogger, signal: stop.signal });
    expect(clock.slept).toEqual([]);
  });
});
