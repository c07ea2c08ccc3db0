import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { CloseReason, FieldStatus, IdentificationOutcome, SightingPhase } from '@sightline/contracts';
import { AppError, newStreamId } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { AgentStage, fakeBundle } from './testing/agent-stage.js';
import { ScriptedSource, type ScriptedFace } from './testing/fake-recognition.js';
import { digestOf, testProvisioning } from './testing/fixtures.js';
import { TestLog } from './testing/test-log.js';

let stage: AgentStage;
const first = fakeBundle('1.0.0', digestOf('a'));
const second = fakeBundle('1.1.0', digestOf('b'));

beforeEach(async () => {
  stage = new AgentStage();
  for (const bundle of [first, second]) stage.shelf.set(bundle.digest, bundle);
  await stage.cloud.start();
});

afterEach(() => stage.close());

const until = (what: () => void): Promise<void> => vi.waitFor(what, { timeout: 10_000, interval: 10 });
const times = (count: number, ...faces: ScriptedFace[]): readonly (readonly ScriptedFace[])[] =>
  Array.from({ length: count }, () => faces);

/** So many people, one after the other. */
function passers(count: number): ScriptedSource {
  const frames = Array.from({ length: count }, (_, person) => [...times(5, { person, x: 10 }), ...times(5)]);
  // A moment between two people, so that the records don't all come in one commit.
  return new ScriptedSource(frames.flat(), (index) => (index % 10 === 0 ? delay(5) : Promise.resolve()));
}

/** Somebody who stays in view. */
function lingerer(): ScriptedSource {
  return new ScriptedSource(times(100_000, { person: 1, x: 10 }), () => delay(10));
}

function expectEverythingOnceInEffect(people: number): void {
  const { latest, arrivals } = stage.cloud;
  expect(latest).toHaveLength(people);
  for (const { phase } of latest) expect(phase).toBe(SightingPhase.CLOSE);
  const streams = new Set([...arrivals.keys()].map((key) => key.split('/')[0]));
  for (const stream of streams) {
    const sequences = [...arrivals.keys()].filter((key) => key.startsWith(stream ?? '')).length;
    expect(stage.cloud.watermark(stream ?? '')).toBe(sequences);
  }
}

describe('an edge agent', () => {
  beforeEach(() => {
    stage.active = { current: first };
  });

  it('says who it is, sends what it sees, and finishes when everything is acknowledged', async () => {
    const agent = await stage.start([passers(5), passers(3)]);
    await agent.finished;
    expectEverythingOnceInEffect(8);
    expect(agent.status()).toMatchObject({
      connected: true,
      cameras: [
        { cameraId: 'cam-1', state: 'ended', sightings: 5 },
        { cameraId: 'cam-2', state: 'ended', sightings: 3 },
      ],
      release: { version: '1.0.0', digest: first.digest, provider: 'cpu' },
      outbox: { backlog: 0, nextSequence: 17, problem: null },
    });
    const [birth] = stage.cloud.births;
    expect(birth).toMatchObject({
      cameraIds: ['cam-1', 'cam-2'],
      provider: 'cpu',
      running: { version: '1.0.0', digest: first.digest, modelSpace: 'fake-space' },
      outboxStreamId: agent.status().outbox.streamId,
      architecture: process.arch,
    });
    expect(birth?.availableProviders).toContain('cpu');
    expect(stage.cloud.statuses[0]).toMatchObject({ online: true, sessionId: birth?.sessionId });
    const { recordedAt } = stage.cloud.records[0]!;
    expect(recordedAt?.bootId).toBe(birth?.at?.bootId);
    await agent.stop();
    await until(() =>
      expect(stage.cloud.statuses.at(-1)).toMatchObject({ online: false, sessionId: birth?.sessionId }),
    );
    expect(existsSync(join(stage.directory, 'data', 'agent.lock'))).toBe(false);
  });

  it('sends what it saw while the cloud was away, each record once in effect', async () => {
    await stage.cloud.stop();
    const agent = await stage.start([passers(6)]);
    await until(() => expect(agent.status().cameras[0]?.state).toBe('ended'));
    expect(agent.status()).toMatchObject({ connected: false, outbox: { backlog: 12 } });
    await stage.cloud.start();
    await agent.finished;
    expectEverythingOnceInEffect(6);
    expect(stage.cloud.batches.flatMap(({ records }) => records).every(({ replayed }) => !replayed)).toBe(true);
  });

  it('loses nothing when the broker goes away and comes back while people pass', async () => {
    const agent = await stage.start([passers(60)]);
    for (let outage = 0; outage < 3; outage += 1) {
      await until(() => expect(stage.cloud.latest.length).toBeGreaterThan(outage * 8));
      await stage.cloud.stop();
      await stage.cloud.start();
    }
    await agent.finished;
    expectEverythingOnceInEffect(60);
    // A session id of its own for each connection.
    expect(new Set(stage.cloud.births.map(({ sessionId }) => sessionId)).size).toBe(stage.cloud.births.length);
    expect(stage.cloud.births.length).toBeGreaterThan(1);
  });

  it('sends again when acknowledgements are lost, and is content with a late one', async () => {
    stage.cloud.losesAcknowledgements = true;
    const agent = await stage.start([passers(2)]);
    await until(() => expect(Math.max(...stage.cloud.arrivals.values())).toBeGreaterThan(1));
    expect(agent.status().outbox.backlog).toBe(4);
    stage.cloud.losesAcknowledgements = false;
    await agent.finished;
    expectEverythingOnceInEffect(2);
    expect(stage.cloud.batches.at(-1)?.records.every(({ replayed }) => replayed)).toBe(true);
  });

  it('lets nothing go on an acknowledgement of another stream', async () => {
    stage.cloud.isDeaf = true;
    const agent = await stage.start([passers(2)]);
    await until(() => expect(agent.status().outbox).toMatchObject({ backlog: 4, nextSequence: 5 }));
    await stage.cloud.acknowledge({ streamId: newStreamId(), committedThrough: 4n, window: 4 });
    await until(() => expect(stage.log.codes).toContain('UPLINK.FOREIGN_ACKNOWLEDGEMENT'));
    expect(agent.status().outbox.backlog).toBe(4);
    stage.cloud.isDeaf = false;
    await agent.finished;
    expectEverythingOnceInEffect(2);
  });

  it('survives messages that are none', async () => {
    const agent = await stage.start([passers(1)]);
    await until(() => expect(agent.status().connected).toBe(true));
    for (const channel of ['sighting/ack', 'identification', 'desired/release', 'desired/config'] as const) {
      await stage.cloud.sendRaw(channel, Buffer.from([0xff, 0xff, 0xff]));
    }
    await until(() =>
      expect(stage.log.codes.filter((code) => code === 'MQTT.MALFORMED_MESSAGE').length).toBeGreaterThanOrEqual(4),
    );
    await agent.finished;
    expectEverythingOnceInEffect(1);
  });

  it('counts identifications that come in time, and ignores one that does not', async () => {
    const agent = await stage.start([passers(1)], { delivery: { identificationBoundMs: 1000 } });
    await agent.finished;
    const { streamId } = agent.status().outbox;
    const answer = { streamId, outcome: IdentificationOutcome.UNKNOWN };
    await stage.cloud.identify({ ...answer, sequence: 1n });
    await until(() => expect(agent.status().identifications.unknown).toBe(1));
    await delay(1000);
    await stage.cloud.identify({ ...answer, sequence: 2n });
    await until(() => expect(agent.status().identifications.ignored).toBe(1));
  });

  it('closes what is in view when it is stopped, and sends that too', async () => {
    const agent = await stage.start([lingerer()]);
    await until(() => expect(stage.cloud.latest).toHaveLength(1));
    await agent.stop();
    expect(stage.cloud.latest).toMatchObject([{ phase: SightingPhase.CLOSE, closeReason: CloseReason.AGENT_STOPPED }]);
    await agent.stop();
  });

  it('stops in bounded time without a cloud, and sends the rest after the next start', async () => {
    await stage.cloud.stop();
    const agent = await stage.start([passers(3), lingerer()]);
    await until(() => expect(agent.status().cameras).toMatchObject([{ sightings: 3 }, { sightings: 1 }]));
    const { streamId, nextSequence } = agent.status().outbox;
    const before = performance.now();
    await agent.stop();
    expect(performance.now() - before).toBeLessThan(3000);
    await stage.cloud.start();
    const again = await stage.start([passers(1)]);
    expect(again.status().outbox.streamId).toBe(streamId);
    expect(again.status().outbox.nextSequence).toBeGreaterThanOrEqual(nextSequence);
    await again.finished;
    expectEverythingOnceInEffect(5);
    const boots = new Set(stage.cloud.records.map(({ recordedAt }) => recordedAt?.bootId));
    expect(boots.size).toBe(2);
  });

  it('closes what was in view when it was killed, as soon as it starts again', async () => {
    stage.cloud.isDeaf = true;
    const agent = await stage.start([passers(1), lingerer()]);
    await until(() => expect(agent.status()).toMatchObject({ outbox: { nextSequence: 4 } }));
    // What is on the disk at this moment is all that a killed process leaves behind; but for its lock, whose owner
    // lives here.
    const left = join(stage.directory, 'left-behind');
    const filter = (path: string): boolean => !path.endsWith('agent.lock');
    cpSync(join(stage.directory, 'data'), left, { recursive: true, filter });
    await agent.stop();
    const { streamId } = agent.status().outbox;
    stage.cloud.isDeaf = false;
    const again = await stage.start([passers(1)], { dataDirectory: left });
    await again.finished;
    expect(again.status().outbox.streamId).toBe(streamId);
    expectEverythingOnceInEffect(3);
    const closed = stage.cloud.latest.filter(({ closeReason }) => closeReason === CloseReason.AGENT_STOPPED);
    expect(closed).toMatchObject([{ phase: SightingPhase.CLOSE, revision: 2, cameraId: 'cam-2' }]);
    expect(closed[0]?.templates.length).toBeGreaterThan(0);
    const boots = stage.cloud.records.map(({ recordedAt }) => recordedAt?.bootId);
    expect(new Set(boots.slice(0, 3)).size).toBe(1);
    expect(new Set(boots.slice(3)).size).toBe(1);
    expect(boots[3]).not.toBe(boots[0]);
    // It was last seen in the boot that saw it.
    expect(closed[0]?.lastSeenAt?.bootId).toBe(boots[0]);
  });

  it('keeps a second agent off its data', async () => {
    await stage.start([passers(1)]);
    await expect(stage.start([passers(1)])).rejects.toMatchObject({ code: 'AGENT.ALREADY_RUNNING' });
  });

  it('refuses a template key that is not the one of its id', async () => {
    const provisioning = testProvisioning(stage.cloud.mqtt);
    const templateKey = { ...provisioning.templateKey, epoch: 2 };
    const starting = stage.start([passers(1)], { provisioning: { ...provisioning, templateKey } });
    await expect(starting).rejects.toMatchObject({ code: 'CONFIG.INVALID' });
    // Nothing is left behind: the next start is not held up.
    await stage.start([passers(1)]);
  });
});

describe('the release of an edge agent', () => {
  const desired = {
    version: 1n,
    releaseVersion: '1.0.0',
    releaseDigest: first.digest,
    repositoryUrl: 'http://127.0.0.1:9/repository',
  };
  const newer = { ...desired, version: 2n, releaseVersion: '1.1.0', releaseDigest: second.digest };

  it('is the desired one, after which it begins to see', async () => {
    const agent = await stage.start([passers(2)]);
    await until(() => expect(stage.cloud.births).toHaveLength(1));
    expect(stage.cloud.births[0]).toMatchObject({ provider: '' });
    expect(stage.cloud.births[0]?.running).toBeUndefined();
    expect(agent.status()).toMatchObject({ release: null, cameras: [{ state: 'waiting' }] });
    await stage.cloud.desireRelease(desired);
    await agent.finished;
    expect(stage.active.current).toBe(first);
    await until(() =>
      expect(stage.cloud.reported.at(-1)).toMatchObject({
        releaseVersionSeen: 1n,
        releaseStatus: FieldStatus.APPLIED,
        running: { digest: first.digest },
      }),
    );
    expect(stage.cloud.births.at(-1)).toMatchObject({ running: { digest: first.digest } });
    expect(stage.cloud.reported.map(({ releaseStatus }) => releaseStatus)).toContain(FieldStatus.PENDING);
    expectEverythingOnceInEffect(2);
  });

  it('runs at once after a restart, without a cloud', async () => {
    stage.active = { current: first };
    await stage.cloud.stop();
    const agent = await stage.start([passers(1)]);
    expect(agent.status().release).toMatchObject({ digest: first.digest });
    await until(() => expect(agent.status().outbox.backlog).toBe(2));
    expect(stage.downloads).toBe(0);
  });

  it('falls back on the one before when the active one does not run', async () => {
    stage.active = { current: second, previous: first };
    stage.failures.selfTest = [new AppError('RELEASE.SELF_TEST_FAILED', 'no')];
    const agent = await stage.start([passers(1)]);
    expect(agent.status().release).toMatchObject({ digest: first.digest });
    expect(stage.log.codes).toEqual(['RELEASE.SELF_TEST_FAILED']);
    expect(stage.recognisers[0]?.isClosed).toBe(true);
  });

  it('is replaced while people are in view, losing no record', async () => {
    stage.active = { current: first };
    const agent = await stage.start([lingerer(), passers(3)]);
    await until(() => expect(stage.cloud.latest.length).toBeGreaterThan(3));
    await stage.cloud.desireRelease(newer);
    await until(() => expect(agent.status().release).toMatchObject({ digest: second.digest }));
    expect(stage.recognisers[0]?.isClosed).toBe(true);
    await agent.stop();
    expectEverythingOnceInEffect(4);
  });

  it('stays when the desired one fails its self-test, and the cloud is told why', async () => {
    stage.active = { current: first };
    stage.failures.selfTest = [];
    const agent = await stage.start([passers(1)]);
    stage.failures.selfTest.push(new AppError('RELEASE.SELF_TEST_FAILED', 'no'));
    await stage.cloud.desireRelease(newer);
    await until(() =>
      expect(stage.cloud.reported.at(-1)).toMatchObject({
        releaseVersionSeen: 2n,
        releaseStatus: FieldStatus.FAILED,
        releaseError: 'RELEASE.SELF_TEST_FAILED',
        running: { digest: first.digest },
      }),
    );
    expect(agent.status().release).toMatchObject({ digest: first.digest });
    expect(stage.active.current).toBe(first);
    expect(stage.recognisers[1]?.isClosed).toBe(true);
    // The same document again, as a broker sends it with each subscription, changes nothing.
    await stage.cloud.desireRelease(newer);
    await agent.finished;
    expect(stage.downloads).toBe(1);
  });

  it('is fetched again when the repository was away for a moment', async () => {
    stage.failures.download = [new AppError('RELEASE.UNREACHABLE', 'away', { retryable: true })];
    const agent = await stage.start([passers(1)]);
    await stage.cloud.desireRelease(desired);
    await agent.finished;
    expect(stage.downloads).toBe(2);
    const { reported } = stage.cloud;
    expect(reported).toContainEqual(
      expect.objectContaining({ releaseStatus: FieldStatus.PENDING, releaseError: 'RELEASE.UNREACHABLE' }),
    );
  });

  it('that is damaged in the repository is reported as failed, and fetched again until it is whole', async () => {
    stage.failures.download = [new AppError('RELEASE.CORRUPT', 'changed on the server')];
    const agent = await stage.start([passers(1)]);
    await stage.cloud.desireRelease(desired);
    await agent.finished;
    expect(agent.status().release).toMatchObject({ digest: first.digest });
    expect(stage.cloud.reported).toContainEqual(
      expect.objectContaining({ releaseStatus: FieldStatus.FAILED, releaseError: 'RELEASE.CORRUPT' }),
    );
    await until(() => expect(stage.cloud.reported.at(-1)).toMatchObject({ releaseStatus: FieldStatus.APPLIED }));
  });

  it('is never set back by an older document, not even after a restart', async () => {
    const agent = await stage.start([passers(1)]);
    await stage.cloud.desireRelease({ ...newer, version: 5n });
    await agent.finished;
    await stage.cloud.desireRelease(desired);
    await stage.cloud.desireRelease({ ...desired, version: 5n });
    await delay(100);
    expect(agent.status().release).toMatchObject({ digest: second.digest });
    await agent.stop();
    const again = await stage.start([passers(1)]);
    await again.finished;
    await delay(100);
    expect(again.status().release).toMatchObject({ digest: second.digest });
    await until(() =>
      expect(stage.cloud.reported.at(-1)).toMatchObject({ releaseVersionSeen: 5n, releaseStatus: FieldStatus.APPLIED }),
    );
    expect(stage.downloads).toBe(1);
  });

  it('comes from the provisioned repository whatever the document names', async () => {
    const agent = await stage.start([passers(1)]);
    await stage.cloud.desireRelease({ ...desired, repositoryUrl: 'http://elsewhere.example/' });
    await agent.finished;
    expect(agent.status().release).toMatchObject({ digest: first.digest });
    expect(stage.log.codes).toEqual(['UPDATE.FOREIGN_REPOSITORY']);
  });
});

describe('the settings of an edge agent', () => {
  beforeEach(() => {
    stage.active = { current: first };
  });

  it('are what the cloud desires, also after a restart, and out of bounds they change nothing', async () => {
    const agent = await stage.start([passers(1)]);
    await stage.cloud.desireConfig({
      version: 3n,
      sighting: { $typeName: 'sightline.v1.SightingPolicy', bestShots: 1 },
    });
    await until(() =>
      expect(stage.cloud.reported.at(-1)).toMatchObject({ configVersionSeen: 3n, configStatus: FieldStatus.APPLIED }),
    );
    await stage.cloud.desireConfig({
      version: 4n,
      sighting: { $typeName: 'sightline.v1.SightingPolicy', bestShots: 0 },
    });
    await until(() =>
      expect(stage.cloud.reported.at(-1)).toMatchObject({
        configVersionSeen: 4n,
        configStatus: FieldStatus.FAILED,
        configError: 'CONFIG.INVALID',
        configErrors: [expect.objectContaining({ path: 'sighting.bestShots' })],
      }),
    );
    await agent.finished;
    await agent.stop();
    stage.log = new TestLog();
    const again = await stage.start([passers(2)]);
    await again.finished;
    for (const { templates } of stage.cloud.latest.slice(1)) expect(templates).toHaveLength(1);
  });
});
