import { describe, expect, it } from 'vitest';

import { DeviceClock } from './device-clock.js';
import { VirtualClock } from './testing/virtual-clock.js';

describe('the box’s time', () => {
  it('keeps both clocks and the boot through jumps of the wall clock', async () => {
    const clock = new VirtualClock();
    const device = new DeviceClock(clock, () => true);
    await clock.advance(1500);
    const before = device.deviceTime();
    clock.jumpWall(-3_600_000);
    await clock.advance(250);
    const after = device.deviceTime();
    expect(after.monotonicMs - before.monotonicMs).toBe(250n);
    expect(after.wallMs - before.wallMs).toBe(-3_599_750n);
    expect(after.bootId).toBe(before.bootId);
    expect(device.ageMs(before)).toBe(250);
    expect(new DeviceClock(clock).ageMs(before)).toBeUndefined();
    expect(device.ageMs(undefined)).toBeUndefined();
  });

  it('says whether the clock is synchronised, and notices when it becomes so', async () => {
    const clock = new VirtualClock();
    let synchronised = false;
    const device = new DeviceClock(clock, () => synchronised);
    expect(device.deviceTime().clockSynchronised).toBe(false);
    synchronised = true;
    await clock.advance(30_000);
    expect(device.deviceTime().clockSynchronised).toBe(true);
  });
});
