import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DesiredReleaseSchema,
  DeviceBirthSchema,
  ReleaseStateSchema,
  ReleaseStep,
  ReportedStateSchema,
  topicOf,
  type DesiredRelease,
} from '@sightline/contracts';
import { migrate, openDatabase, type Database } from '@sightline/database';
import { startTestDatabase, type TestDatabase } from '@sightline/database/testing';
import { AppError, silentLogger, StopStack, systemClock, type DeviceId, type TenantId } from '@sightline/kernel';
import { connectMqtt, startEmbeddedBroker, type EmbeddedBroker, type MqttConnection } from '@sightline/messaging';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { Audit } from '../audit/audit.js';
import { DeviceBenchmarks } from '../benchmarks/device-benchmarks.js';
import { composeRollouts } from './compose-rollouts.js';
import { createRolloutSchema, type RolloutReport } from './rollout.schemas.js';
import type { Rollouts } from './rollouts.js';

const tenantId = 'acme' as TenantId;
const patience = { timeout: 10_000, interval: 20 };
const digests: Readonly<Record<string, string>> = {
  '1.0.0': 'a'.repeat(64),
  '1.1.0': 'b'.repeat(64),
  '1.2.0': 'c'.repeat(64),
};
const refOf = (version: string): { version: string; digest: string } => {
  const digest = digests[version];
  if (digest === undefined) throw new AppError('RELEASE.NOT_FOUND', 'There is no release of this version.');
  return { version, digest };
};

/** What a box does with what it is told. */
type Behaviour = 'takes it' | 'fails' | 'is silent';

/** A box that says what an agent says, and needs no time for anything. */
class Box {
  readonly documents: DesiredRelease[] = [];
  running = '1.0.0';
  behaviour: Behaviour = 'takes it';
  readonly #address;
  readonly #connection: MqttConnection;
  #saidMs = 0n;

  private constructor(deviceId: string, connection: MqttConnection) {
    this.#address = { tenantId, deviceId: deviceId as DeviceId };
    this.#connection = connection;
  }

  static async start(deviceId: string): Promise<Box> {
    const connection = await connectMqtt({
      url: broker.url,
      clientId: `acme/${deviceId}`,
      username: `acme/${deviceId}`,
      password: 'x',
    });
    stack.push(() => connection.close());
    const box = new Box(deviceId, connection);
    await connection.subscribe(topicOf(box.#address, 'desired/release'), async ({ payload }) => {
      const document = fromBinary(DesiredReleaseSchema, payload);
      const isNews = document.version > (box.documents.at(-1)?.version ?? 0n);
      if (!isNews) return;
      box.documents.push(document);
      // Not waited for: a handler that publishes would wait for itself.
      void box.#obey(document);
    });
    await box.birth();
    return box;
  }

  birth(): Promise<void> {
    return this.#publish(
      'birth',
      toBinary(DeviceBirthSchema, create(DeviceBirthSchema, { architecture: 'arm64', ...this.#facts() })),
    );
  }

  /** Says that it runs something else now. */
  run(version: string): Promise<void> {
    this.running = version;
    return this.#publish('state/reported', toBinary(ReportedStateSchema, create(ReportedStateSchema, this.#facts())));
  }

  tell(document: DesiredRelease, step: ReleaseStep, error = ''): Promise<void> {
    const { version: documentVersion, releaseVersion, releaseDigest } = document;
    const facts = { documentVersion, releaseVersion, releaseDigest, step, error, attempt: 1, at: this.#at() };
    return this.#publish('release/state', toBinary(ReleaseStateSchema, create(ReleaseStateSchema, facts)));
  }

  forget(): Promise<void> {
    return this.#publish('state/reported', new Uint8Array());
  }

  async #obey(document: DesiredRelease): Promise<void> {
    if (document.releaseVersion === this.running || this.behaviour === 'is silent') return;
    await this.tell(document, ReleaseStep.DOWNLOADING);
    if (this.behaviour === 'fails') return this.tell(document, ReleaseStep.FAILED, 'RELEASE.SELF_TEST_FAILED');
    await this.tell(document, ReleaseStep.ACTIVE);
    await this.run(document.releaseVersion);
    await this.tell(document, ReleaseStep.COMMITTED);
  }

  #facts() {
    return { running: { ...refOf(this.running), modelSpace: 'x', embedderDigest: 'y' }, at: this.#at() };
  }

  #at() {
    return { bootId: 'boot-1', monotonicMs: (this.#saidMs += 1n) };
  }

  #publish(channel: 'birth' | 'state/reported' | 'release/state', payload: Uint8Array): Promise<void> {
    return this.#connection.publish(topicOf(this.#address, channel), payload, { retain: channel === 'state/reported' });
  }
}

const stack = new StopStack();
let testDatabase: TestDatabase;
let database: Database;
let broker: EmbeddedBroker;
let rollouts: Rollouts;
const boxes = new Map<string, Box>();
const boxOf = (deviceId: string): Box => boxes.get(deviceId)!;

beforeAll(async () => {
  testDatabase = await startTestDatabase();
  stack.push(() => testDatabase.close());
  database = await openDatabase({ url: testDatabase.url, log: silentLogger });
  stack.push(() => database.close());
  await migrate(database, { schema: 'registry', folder: new URL('../../migrations', import.meta.url) });
  broker = await startEmbeddedBroker({
    ...{ host: '127.0.0.1', port: 0 },
    authenticate: async (username) =>
      username === 'model-registry'
        ? { kind: 'service', name: username }
        : { kind: 'device', tenantId, deviceId: username.split('/')[1] as DeviceId },
  });
  stack.push(() => broker.close());
  const connection = await connectMqtt({
    url: broker.url,
    clientId: 'model-registry',
    username: 'model-registry',
    password: 'x',
  });
  stack.push(() => connection.close());
  const parts = { connection, benchmarks: new DeviceBenchmarks(database), audit: new Audit(database, systemClock) };
  const own = { defaultRelease: () => refOf('1.0.0'), repositoryUrl: () => 'https://models.example/repository' };
  const composed = composeRollouts({
    ...{ database, ...parts, ...own, places: 3, clock: systemClock, log: silentLogger },
    releaseFor: async (_, version) => refOf(version),
  });
  rollouts = composed.rollouts;
  const stopping = new AbortController();
  const running = composed.run(stopping.signal);
  stack.push(() => {
    stopping.abort(new Error('the test is over'));
    return running;
  });
  for (const id of ['box-1', 'box-2', 'box-3', 'box-4', 'box-5', 'box-6']) boxes.set(id, await Box.start(id));
  await vi.waitFor(
    () => expect([...boxes.values()].every(({ documents }) => documents.length === 1)).toBe(true),
    patience,
  );
}, 60_000);
afterAll(() => stack.stop());

const begin = async (body: object): Promise<string> => {
  const stages = [
    { percentage: 50, advance: 'manual' },
    { percentage: 100, advance: { successShare: 0.5, minimumDevices: 2 } },
  ];
  const parsed = createRolloutSchema.parse({ release: '1.1.0', stages, deadlineSeconds: 3600, ...body });
  return (await rollouts.create(tenantId, 'key:1', parsed)).id;
};
const report = (id: string): Promise<RolloutReport> => rollouts.report(tenantId, id);
const countsOf = async (id: string): Promise<object> => {
  const { counts } = await report(id);
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
};
const statusOf = async (id: string): Promise<string> => (await report(id)).rollout.status;
const command = (id: string, what: Parameters<Rollouts['command']>[2]) => rollouts.command(tenantId, id, what, 'key:1');

describe('a rollout', () => {
  let id: string;

  it('tells the devices of its first stage at once, and no other', async () => {
    for (const box of boxes.values()) box.behaviour = 'takes it';
    id = await begin({});
    await expect.poll(() => countsOf(id), patience).toEqual({ ok: 3 });
    const { items } = await rollouts.devices(tenantId, id, { bucket: undefined, after: undefined, limit: 2 });
    expect(items[0]).toMatchObject({ bucket: 'ok', running: refOf('1.1.0'), step: 'COMMITTED', documentVersion: 2 });
    const told = [...boxes.values()].filter(({ documents }) => documents.length === 2);
    expect(told).toHaveLength(3);
    expect(told[0]?.documents[1]).toMatchObject({
      ...{ version: 2n, releaseVersion: '1.1.0', manifestTarget: 'releases/1.1.0/manifest.json' },
      repositoryUrl: 'https://models.example/repository',
    });
    expect(await report(id)).toMatchObject({ gate: 'manual', share: { ok: 3, of: 3 }, rollout: { status: 'running' } });
  });

  it('waits for a person where that was said, and is judged by the exact share where not', async () => {
    const rest = [...boxes.values()].filter(({ documents }) => documents.length === 1);
    rest[0]!.behaviour = 'fails';
    await command(id, 'advance');
    await expect.poll(() => statusOf(id), patience).toBe('completed');
    const { counts, stages, errors, events } = await report(id);
    expect(counts).toMatchObject({ ok: 5, failed: 1, pending: 0 });
    expect(stages[1]).toMatchObject({ share: { ok: 2, of: 3 }, counts: { failed: 1 } });
    expect(errors).toEqual([{ code: 'RELEASE.SELF_TEST_FAILED', devices: 1 }]);
    expect(events.map(({ kind, actor }) => [kind, actor])).toEqual([
      ['created', 'key:1'],
      ['advanced', 'key:1'],
      ['completed', null],
    ]);
  });

  it('counts a device that leaves the release later, and is open again', async () => {
    const ok = [...boxes.values()].find(({ running }) => running === '1.1.0')!;
    await ok.run('1.0.0');
    await expect.poll(async () => (await report(id)).events.map(({ kind }) => kind), patience).toContain('reopened');
    await expect.poll(() => countsOf(id), patience).toEqual({ ok: 4, failed: 2 });
    expect((await report(id)).errors).toContainEqual({ code: 'ROLLOUT.FELL_BACK', devices: 1 });
    await ok.run('1.1.0');
    await expect.poll(() => countsOf(id), patience).toEqual({ ok: 5, failed: 1 });
  });

  it('has a device that is born meanwhile', async () => {
    boxes.set('box-7', await Box.start('box-7'));
    await expect.poll(() => boxOf('box-7').running, patience).toBe('1.1.0');
    await expect.poll(() => countsOf(id), patience).toEqual({ ok: 6, failed: 1 });
    await boxOf('box-7').birth();
    // Its document is the rollout's, not the default channel's.
    await expect.poll(() => boxOf('box-7').documents.at(-1)?.releaseVersion).toBe('1.1.0');
  });

  it('is taken back by one command: a newer document that names what ran before', async () => {
    const versions = new Map([...boxes].map(([key, box]) => [key, box.documents.at(-1)!.version]));
    await command(id, 'rollback');
    await expect.poll(() => statusOf(id), patience).toBe('rolled-back');
    expect(await countsOf(id)).toEqual({ ok: 7 });
    for (const [key, box] of boxes) {
      expect(box.running).toBe('1.0.0');
      expect(box.documents.at(-1)!.version > versions.get(key)!).toBe(true);
    }
    const { events } = await report(id);
    // What became of the release is still known.
    expect(events.find(({ kind }) => kind === 'rolling-back')?.counts).toMatchObject({ ok: 6, failed: 1 });
  });

  it('allows what its status allows, of its own tenant alone', async () => {
    await expect(command(id, 'pause')).rejects.toMatchObject({ code: 'ROLLOUT.NOT_ALLOWED' });
    const stranger = 'globex' as TenantId;
    await expect(rollouts.report(stranger, id)).rejects.toMatchObject({ code: 'ROLLOUT.NOT_FOUND' });
    await expect(rollouts.command(stranger, id, 'rollback', 'x')).rejects.toMatchObject({ code: 'ROLLOUT.NOT_FOUND' });
    await expect(begin({ release: '9.9.9' })).rejects.toMatchObject({ code: 'RELEASE.NOT_FOUND' });
    expect((await rollouts.list(stranger, { before: undefined, limit: 10 })).items).toEqual([]);
  });
});

describe('a rollout that goes wrong', () => {
  it('counts silence past the deadline as failure, and stops', async () => {
    for (const box of boxes.values()) box.behaviour = 'is silent';
    const automatic = { successShare: 0.9, minimumDevices: 1, deadlineSeconds: 1 };
    const id = await begin({
      selector: { deviceIds: ['box-1', 'box-2'] },
      stages: [
        { percentage: 50, advance: automatic },
        { percentage: 100, advance: automatic },
      ],
    });
    await expect.poll(() => statusOf(id), { ...patience, interval: 100 }).toBe('paused');
    expect(await report(id)).toMatchObject({
      gate: 'missed',
      rollout: { reason: 'ROLLOUT.SUCCESS_SHARE_MISSED', stage: 0 },
    });
    expect(await countsOf(id)).toEqual({ silent: 1 });
    // It was only late: the report says so, and what was stopped goes on when somebody wants it.
    const late = ['box-1', 'box-2'].map(boxOf).find(({ documents }) => documents.at(-1)?.releaseVersion === '1.1.0')!;
    await late.run('1.1.0');
    await expect.poll(() => countsOf(id), patience).toEqual({ ok: 1 });
    for (const box of boxes.values()) box.behaviour = 'takes it';
    await command(id, 'resume');
    await expect.poll(() => statusOf(id), patience).toBe('completed');
  });

  it('is called off: who has it keeps it, who has not is told what it was told before', async () => {
    boxOf('box-3').behaviour = 'is silent';
    boxOf('box-4').behaviour = 'takes it';
    const stages = [
      { percentage: 50, advance: 'manual' },
      { percentage: 100, advance: 'manual' },
    ];
    const id = await begin({ release: '1.2.0', selector: { deviceIds: ['box-3', 'box-4'] }, stages });
    await command(id, 'advance');
    await expect.poll(() => countsOf(id), patience).toEqual({ ok: 1, pending: 1 });
    await expect.poll(() => boxOf('box-3').documents.at(-1)?.releaseVersion, patience).toBe('1.2.0');
    await command(id, 'cancel');
    await expect.poll(() => boxOf('box-3').documents.at(-1)?.releaseVersion, patience).toBe('1.0.0');
    expect(await countsOf(id)).toEqual({ ok: 1, withdrawn: 1 });
    expect(boxOf('box-4').documents.at(-1)?.releaseVersion).toBe('1.2.0');
  });

  it('gives way to a newer one, and finds nobody where its selector fits nobody: no success', async () => {
    for (const box of boxes.values()) box.behaviour = 'takes it';
    const stages = [
      { percentage: 50, advance: { successShare: 0.5, minimumDevices: 1 } },
      { percentage: 100, advance: { successShare: 0.5, minimumDevices: 1 } },
    ];
    const older = await begin({ release: '1.1.0', selector: { deviceIds: ['box-5', 'box-6'] }, stages });
    await expect.poll(() => statusOf(older), patience).toBe('completed');
    const newer = await begin({
      release: { byDeviceClass: { arm64: '1.2.0' } },
      selector: { deviceIds: ['box-5', 'box-6'] },
      stages,
    });
    const nobody = await begin({
      release: { byDeviceClass: { riscv: '1.2.0' } },
      selector: { deviceIds: ['box-5'] },
      stages,
    });
    await expect.poll(() => statusOf(newer), patience).toBe('completed');
    await expect.poll(() => statusOf(older), patience).toBe('superseded');
    expect(await countsOf(older)).toEqual({ superseded: 2 });
    expect(await countsOf(nobody)).toEqual({ rejected: 1 });
    expect(await report(nobody)).toMatchObject({ gate: 'empty', rollout: { status: 'running', stage: 0 } });
    expect(boxOf('box-5').running).toBe('1.2.0');
  });

  it('is not disturbed by messages that cannot be read or that are old, and forgets a box that was deleted', async () => {
    const box = boxOf('box-6');
    const document = box.documents.at(-1)!;
    await box.tell({ ...document, version: 0xffffffffffffffffn }, ReleaseStep.INCONSISTENT, 'x\0y'.repeat(300));
    await box.forget();
    await box.forget();
    const known = async (): Promise<number> =>
      (await database.pool.query(`SELECT FROM registry.fleet_device WHERE device_id = 'box-6'`)).rowCount ?? 0;
    await expect.poll(known, patience).toBe(0);
    await box.birth();
    await expect.poll(known, patience).toBe(1);
  });

  it('is in the audit, with who did what', async () => {
    const { rows } = await database.pool.query<{ action: string; actor: string }>(
      `SELECT DISTINCT action, actor FROM registry.audit_entry ORDER BY action`,
    );
    expect(rows.map(({ action }) => action)).toEqual(
      ['advance', 'cancel', 'create', 'resume', 'rollback'].map((name) => `rollout.${name}`),
    );
    expect(new Set(rows.map(({ actor }) => actor))).toEqual(new Set(['key:1']));
  });
});
