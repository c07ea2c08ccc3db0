import { describe, expect, it } from 'vitest';

import { systemClock } from './clock.js';

describe('the system clock', () => {
  it('sleeps for at least about the time that it was told', async () => {
    const before = systemClock.monotonicMs();
    await systemClock.sleep(30);
    expect(systemClock.monotonicMs() - before).toBeGreaterThan(28);
    await systemClock.sleep(-5);
  });

  it('wakes with the reason of the signal, given before or during the sleep', async () => {
    const reason = new Error('shutting down');
    await expect(systemClock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const sleeping = systemClock.sleep(60_000, controller.signal);
    controller.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
  });

  it('tells wall time in milliseconds since 1970', () => {
    expect(Math.abs(systemClock.wallMs() - Date.now())).toBeLessThan(1000);
  });
});
