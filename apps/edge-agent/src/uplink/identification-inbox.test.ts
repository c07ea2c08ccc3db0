import { create } from '@bufbuild/protobuf';
import { IdentificationOutcome, IdentificationSchema, type Identification } from '@sightline/contracts';
import { beforeEach, describe, expect, it } from 'vitest';

import { DeviceClock } from '../device-clock.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { IdentificationInbox } from './identification-inbox.js';

const STREAM = 'stream';
let clock: VirtualClock;
let deviceClock: DeviceClock;
let inbox: IdentificationInbox;

beforeEach(() => {
  clock = new VirtualClock();
  deviceClock = new DeviceClock(clock, () => false);
  inbox = new IdentificationInbox(deviceClock, 10_000);
});

function identification(
  fields: Partial<Pick<Identification, 'sequence' | 'outcome' | 'streamId'>> = {},
): Identification {
  const defaults = { streamId: STREAM, sequence: 1n, outcome: IdentificationOutcome.IDENTIFIED };
  return create(IdentificationSchema, { ...defaults, ...fields });
}

describe('an identification', () => {
  it('may be acted upon within the bound, once', async () => {
    inbox.expect(1, deviceClock.deviceTime());
    await clock.advance(400);
    expect(inbox.take(identification(), STREAM)).toBe(400);
    expect(inbox.take(identification(), STREAM)).toBeUndefined();
    expect(inbox.counts).toEqual({ identified: 1, ambiguous: 0, unknown: 0, refused: 0, ignored: 1 });
  });

  it('may not when it comes late by monotonic time, however the wall clock jumps', async () => {
    inbox.expect(1, deviceClock.deviceTime());
    inbox.expect(2, deviceClock.deviceTime());
    await clock.advance(9000);
    clock.jumpWall(86_400_000);
    expect(inbox.take(identification(), STREAM)).toBe(9000);
    clock.jumpWall(-86_400_000);
    await clock.advance(1001);
    expect(inbox.take(identification({ sequence: 2n }), STREAM)).toBeUndefined();
  });

  it('may not for a record of another boot, of another stream, or that was never sent', () => {
    inbox.expect(1, new DeviceClock(clock).deviceTime());
    expect(inbox.take(identification(), STREAM)).toBeUndefined();
    inbox.expect(2, deviceClock.deviceTime());
    expect(inbox.take(identification({ sequence: 2n, streamId: 'other' }), STREAM)).toBeUndefined();
    expect(inbox.take(identification({ sequence: 3n }), STREAM)).toBeUndefined();
    expect(
      inbox.take(identification({ sequence: 2n, outcome: IdentificationOutcome.UNSPECIFIED }), STREAM),
    ).toBeUndefined();
    expect(inbox.counts).toEqual({ identified: 0, ambiguous: 0, unknown: 0, refused: 0, ignored: 4 });
  });

  it('is counted by its outcome', () => {
    const outcomes = [IdentificationOutcome.UNKNOWN, IdentificationOutcome.REFUSED, IdentificationOutcome.REFUSED];
    for (const [index, outcome] of outcomes.entries()) {
      inbox.expect(index, deviceClock.deviceTime());
      inbox.take(identification({ sequence: BigInt(index), outcome }), STREAM);
    }
    expect(inbox.counts).toEqual({ identified: 0, ambiguous: 0, unknown: 1, refused: 2, ignored: 0 });
  });

  it('of very many records, the oldest are forgotten', () => {
    for (let sequence = 1; sequence <= 10_001; sequence += 1) inbox.expect(sequence, deviceClock.deviceTime());
    expect(inbox.take(identification({ sequence: 1n }), STREAM)).toBeUndefined();
    expect(inbox.take(identification({ sequence: 2n }), STREAM)).toBe(0);
  });
});
