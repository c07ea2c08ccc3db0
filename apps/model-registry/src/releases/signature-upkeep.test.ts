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

const options = (clock: Clock, stop: AbortController) => ({
  ...{ clock, log: silentLogger, signal: stop.signal },
  onPublished: async () => undefined,
});
const quiet = { expiries: async () => [], revision: async () => 1 };

describe('the upkeep of signatures', () => {
  it('looks when the next signature is due, and at least every five seconds', async () => {
    const stop = new AbortController();
    const clock = virtualClock(3, stop);
    const calls: number[] = [];
    const keepFresh = async (): Promise<number> => calls.push(clock.wallMs()) && 7000;
    await keepSignaturesFresh({ ...quiet, keepFresh }, options(clock, stop));
    expect(calls).toEqual([0, 5000, 7000]);
  });

  it('goes on after a failure', async () => {
    const stop = new AbortController();
    const clock = virtualClock(2, stop);
    let calls = 0;
    const keepFresh = async (): Promise<number> => {
      calls += 1;
      throw new Error('the disk is full');
    };
    await keepSignaturesFresh({ ...quiet, keepFresh }, options(clock, stop));
    expect(calls).toBe(2);
    expect(clock.slept).toEqual([60_000, 60_000]);
  });

  it('ends at once when it is stopped', async () => {
    const stop = new AbortController();
    stop.abort();
    const clock = virtualClock(1, stop);
    await keepSignaturesFresh({ ...quiet, keepFresh: async () => 0 }, options(clock, stop));
    expect(clock.slept).toEqual([]);
  });

  it('tells of what was published, and once a day of what only its holders can sign again', async () => {
    const stop = new AbortController();
    const clock = virtualClock(4, stop);
    const warnings: object[] = [];
    const published: number[] = [];
    const log = { ...silentLogger, warn: (facts: object) => void warnings.push(facts) };
    const repository = {
      keepFresh: async () => Infinity,
      revision: async () => (clock.wallMs() < 10_000 ? 1 : 2),
      expiries: async () => [
        { role: 'targets' as const, expiresMs: 30 * 24 * HOUR, dueMs: 0, isRenewable: false },
        { role: 'root' as const, expiresMs: 300 * 24 * HOUR, dueMs: 0, isRenewable: false },
        { role: 'timestamp' as const, expiresMs: HOUR, dueMs: 0, isRenewable: true },
      ],
    };
    const onPublished = async (): Promise<void> => void published.push(clock.wallMs());
    await keepSignaturesFresh(repository, { ...options(clock, stop), log, onPublished });
    expect(published).toEqual([0, 10_000]);
    expect(warnings).toEqual([expect.objectContaining({ code: 'RELEASE.SIGNATURE_EXPIRES', role: 'targets' })]);
  });
});
