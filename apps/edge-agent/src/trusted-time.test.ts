import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { TestLog } from './testing/test-log.js';
import { VirtualClock } from './testing/virtual-clock.js';
import { TrustedTime } from './trusted-time.js';

const DAY_MS = 86_400_000;
let directory: string;
let clock: VirtualClock;
let synchronised: boolean;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-trusted-time-'));
  clock = new VirtualClock();
  synchronised = true;
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (log = silentLogger): TrustedTime =>
  new TrustedTime({ path: join(directory, 'time.json'), clock, isSynchronised: () => synchronised, log });

describe('trusted time', () => {
  it('is the clock while that is right, and goes on by monotonic time when the clock is set back a day', async () => {
    const time = open();
    const before = time.nowMs();
    expect(before).toBe(clock.wallMs());
    synchronised = false;
    clock.jumpWall(-DAY_MS);
    await clock.advance(1000);
    expect(time.nowMs()).toBe(before + 1000);
  });

  it('remembers across a restart into 1970', () => {
    const before = open().nowMs();
    synchronised = false;
    clock.jumpWall(-before);
    expect(clock.wallMs()).toBe(0);
    expect(open().nowMs()).toBe(before);
  });

  it('follows a clock that jumps ahead unsynchronised, and forgets it when the clock is set right', async () => {
    const time = open();
    const before = time.nowMs();
    synchronised = false;
    clock.jumpWall(DAY_MS);
    expect(time.nowMs()).toBe(before + DAY_MS);
    clock.jumpWall(-DAY_MS);
    await clock.advance(1000);
    expect(time.nowMs()).toBe(before + 1000);
    expect(open().nowMs()).toBe(before + 1000);
  });

  it('believes the cloud when the box has never known the time', async () => {
    synchronised = false;
    const cloudMs = clock.wallMs();
    clock.jumpWall(-cloudMs);
    const time = open();
    await clock.advance(5000);
    expect(time.nowMs()).toBe(5000);
    time.observe(cloudMs);
    await clock.advance(5000);
    expect(time.nowMs()).toBe(cloudMs + 5000);
    expect(open().nowMs()).toBe(cloudMs);
    time.persist();
    expect(open().nowMs()).toBe(cloudMs + 5000);
  });

  it('starts without a mark that is damaged, and says so', () => {
    writeFileSync(join(directory, 'time.json'), '{"highWaterMarkMs": "soon"}');
    const log = new TestLog();
    expect(open(log).nowMs()).toBe(clock.wallMs());
    expect(log.codes).toEqual(['CLOCK.MARK_UNREADABLE']);
  });

  it('goes on where it cannot be written down', () => {
    rmSync(directory, { recursive: true });
    const log = new TestLog();
    const time = open(log);
    expect(time.nowMs()).toBe(clock.wallMs());
    time.nowMs();
    expect(log.codes).toEqual(['CLOCK.MARK_NOT_WRITTEN']);
  });
});
