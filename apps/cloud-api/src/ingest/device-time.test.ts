import { create } from '@bufbuild/protobuf';
import { DeviceTimeSchema } from '@sightline/contracts';
import { describe, expect, it } from 'vitest';

import { dateMoment, deviceMoment, measureBoot, type BootEpoch, type DeviceMoment } from './device-time.js';

const moment = (changes: Partial<DeviceMoment> = {}): DeviceMoment => ({
  bootId: 'b',
  monotonicMs: 1000,
  wallMs: 50_000,
  clockSynchronised: false,
  ...changes,
});
const transit = { receivedAtMs: 1_700_000_000_000, sentAt: moment({ monotonicMs: 60_000, wallMs: 110_000 }) };
const unmeasured = () => undefined;

describe('dating by a box that booted with a wrong clock', () => {
  it('takes the monotonic difference within the boot that was measured', () => {
    const epoch = measureBoot(undefined, transit);
    const dated = dateMoment(moment({ monotonicMs: 45_000, wallMs: -1 }), transit, () => epoch);
    expect(dated).toEqual({ ms: transit.receivedAtMs - 15_000, dating: 'monotonic' });
  });

  it('trusts a synchronised clock for a boot that was never measured', () => {
    const seen = moment({ bootId: 'old', wallMs: 1_600_000_000_000, clockSynchronised: true });
    expect(dateMoment(seen, transit, unmeasured)).toEqual({ ms: 1_600_000_000_000, dating: 'synchronised' });
  });

  it('shifts an unsynchronised clock by its offset when the batch was sent', () => {
    const seen = moment({ bootId: 'old', wallMs: 100_000 });
    expect(dateMoment(seen, transit, unmeasured)).toEqual({ ms: transit.receivedAtMs - 10_000, dating: 'offset' });
  });

  it('dates nothing after its arrival', () => {
    const ahead = moment({ bootId: 'old', wallMs: 4_000_000_000_000, clockSynchronised: true });
    expect(dateMoment(ahead, transit, unmeasured).ms).toBe(transit.receivedAtMs);
  });

  it('falls back to the arrival when a clock says nothing at all', () => {
    const absurd = moment({ bootId: 'old', wallMs: -8e15, clockSynchronised: true });
    expect(dateMoment(absurd, transit, unmeasured)).toEqual({ ms: transit.receivedAtMs, dating: 'received' });
  });
});

describe('measuring a boot', () => {
  const known: BootEpoch = { epochMs: transit.receivedAtMs - 60_500, measuredAtMs: transit.receivedAtMs - 1000 };

  it('keeps the smaller measurement: a batch that waited in a broker arrives late, never early', () => {
    const delayed = { ...transit, receivedAtMs: transit.receivedAtMs + 30_000 };
    expect(measureBoot(known, delayed).epochMs).toBeCloseTo(known.epochMs, -2);
    const quick = { ...transit, receivedAtMs: transit.receivedAtMs - 700 };
    expect(measureBoot(known, quick).epochMs).toBe(quick.receivedAtMs - 60_000);
  });

  it('lets an old measurement age by the drift of a bad crystal', () => {
    const dayMs = 86_400_000;
    const later = {
      receivedAtMs: transit.receivedAtMs + dayMs,
      sentAt: moment({ monotonicMs: 60_000 + dayMs - 5000 }),
    };
    expect(measureBoot(known, later).epochMs).toBe(later.receivedAtMs - later.sentAt.monotonicMs);
  });
});

describe('reading a moment from the wire', () => {
  const wire = (changes: object) => create(DeviceTimeSchema, { bootId: 'b', monotonicMs: 1n, wallMs: 2n, ...changes });

  it.each([
    ['no boot id', wire({ bootId: '' })],
    ['a boot id with a control character', wire({ bootId: 'a\u0000' })],
    ['a monotonic time beyond every number', wire({ monotonicMs: 2n ** 63n })],
    ['a wall time beyond every date', wire({ wallMs: 2n ** 62n })],
    ['nothing', undefined],
  ])('refuses %s', (_, time) => {
    expect(deviceMoment(time)).toBeUndefined();
  });

  it('takes what a box may say, a year of 1970 included', () => {
    expect(deviceMoment(wire({}))).toEqual({ bootId: 'b', monotonicMs: 1, wallMs: 2, clockSynchronised: false });
  });
});
