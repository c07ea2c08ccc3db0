import { fromBinary } from '@bufbuild/protobuf';
import { ReleaseStateSchema, ReleaseStep, type ReleaseState } from '@sightline/contracts';
import { AppError, silentLogger, systemClock } from '@sightline/kernel';
import { beforeEach, describe, expect, it } from 'vitest';

import { DeviceClock } from '../device-clock.js';
import type { UplinkLink } from '../uplink/uplink-part.js';
import { ReleaseReporter } from './release-reporter.js';
import type { ObservedUpdate, UpdateState } from './update-journal.js';

const update: UpdateState = {
  documentVersion: 7,
  releaseVersion: '1.2.0',
  digest: 'a'.repeat(64),
  step: 'DOWNLOADING',
  error: '',
  attempt: 1,
  crashes: 0,
  atWallMs: 1000,
};
const at = (step: UpdateState['step'], changes: Partial<ObservedUpdate> = {}): ObservedUpdate => ({
  ...update,
  step,
  ...changes,
});

let told: ReleaseState[];
let isConnected: boolean;
let remembered: UpdateState | undefined;
let reporter: ReleaseReporter;
const steps = (): readonly string[] => told.map(({ step }) => ReleaseStep[step]);

beforeEach(() => {
  told = [];
  isConnected = true;
  remembered = undefined;
  reporter = new ReleaseReporter({
    remembered: () => remembered,
    deviceClock: new DeviceClock(systemClock, () => true),
    log: silentLogger,
  });
  const link: UplinkLink = {
    sessionId: 'session-1',
    get connected() {
      return isConnected;
    },
    publish: async (channel, payload) => {
      expect(channel).toBe('release/state');
      if (!isConnected) throw new AppError('MQTT.OFFLINE', 'The connection is gone.', { retryable: true });
      told.push(fromBinary(ReleaseStateSchema, payload));
    },
    subscribe: () => undefined,
  };
  reporter.attach(link);
});

describe('the report of an update', () => {
  it('tells each step once, with its document, its release and how much of it is here', () => {
    const progress = { receivedBytes: 10, totalBytes: 40 };
    for (const one of [at('OFFERED'), at('DOWNLOADING'), at('DOWNLOADING', { progress }), at('VERIFIED')]) {
      reporter.observe(one);
      reporter.observe(one);
    }
    expect(steps()).toEqual(['OFFERED', 'DOWNLOADING', 'DOWNLOADING', 'VERIFIED']);
    expect(told[2]).toMatchObject({
      ...{ documentVersion: 7n, releaseVersion: '1.2.0', releaseDigest: 'a'.repeat(64), sessionId: 'session-1' },
      ...{ attempt: 1, error: '', receivedBytes: 10n, totalBytes: 40n },
    });
  });

  it('tells the same step again with another attempt or another error', () => {
    reporter.observe(at('DOWNLOADING'));
    reporter.observe(at('DOWNLOADING', { error: 'RELEASE.UNREACHABLE' }));
    reporter.observe(at('DOWNLOADING', { attempt: 2 }));
    expect(told.map(({ attempt, error }) => [attempt, error])).toEqual([
      [1, ''],
      [1, 'RELEASE.UNREACHABLE'],
      [2, ''],
    ]);
  });

  it('tells what nobody heard with the next connection: the newest step alone', () => {
    isConnected = false;
    reporter.disconnected();
    reporter.observe(at('VERIFIED'));
    reporter.observe(at('STAGED'));
    expect(told).toEqual([]);
    isConnected = true;
    reporter.connected();
    reporter.connected();
    expect(steps()).toEqual(['STAGED', 'STAGED']);
  });

  it('tells after a start what the last boot had come to, and nothing where there was no update', () => {
    reporter.connected();
    expect(told).toEqual([]);
    remembered = { ...update, step: 'COMMITTED' };
    reporter.connected();
    expect(steps()).toEqual(['COMMITTED']);
  });

  it('survives a connection that breaks while it speaks, and says nothing once it was stopped', async () => {
    isConnected = false;
    reporter.connected();
    remembered = { ...update, step: 'FAILED', error: 'RELEASE.SELF_TEST_FAILED' };
    reporter.connected();
    await reporter.stop();
    isConnected = true;
    reporter.observe(at('OFFERED'));
    expect(told).toEqual([]);
  });
});
