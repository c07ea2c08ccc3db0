import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { openDatabase, type Database } from '@sightline/database';
import { startTestDatabase, type TestDatabase } from '@sightline/database/testing';
import { silentLogger, StopStack, type DeviceId, type TenantId } from '@sightline/kernel';
import { startMosquitto, startRedis, type Mosquitto, type RedisServer } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { startDebianPostgres, type DebianPostgres } from '../database/debian-postgres.js';
import { CloudProcess } from './cloud-process.js';
import { SimulatedBox } from './simulated-box.js';

const ADMIN_KEY = 'test-admin-key-0123456789abcdef';
const PASSWORD = 'correct horse';
const TENANT = 'default' as TenantId;
const DEVICES = ['box-1', 'box-2', 'box-3', 'box-4'];
/** How long each victim is away while the boxes go on recording. */
const AWAY_MS = 1000;
const WAIT = { timeout: 60_000, interval: 100 };

/**
 * Two processes of the cloud API on Mosquitto, PostgreSQL and Redis, and boxes that keep recording: sightings of
 * several revisions, each recorded once.
 */
describe('ingest by two processes', () => {
  const stack = new StopStack();
  let mosquitto: Mosquitto;
  let postgres: DebianPostgres;
  let redis: RedisServer;
  let server: TestDatabase;
  let database: Database;
  let directory: string;
  let cloudA: CloudProcess;
  let cloudB: CloudProcess;
  let boxes: readonly SimulatedBox[] = [];
  let recording = true;
  let recorder: Promise<void> = Promise.resolve();
  /** The highest revision of each sighting, by box. */
  const recorded = new Map<string, Map<string, number>>();

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sightline-ingest-kill-'));
    stack.push(() => rm(directory, { recursive: true, force: true }));
    const devices = DEVICES.map((id) => `${TENANT}/${id}`);
    mosquitto = await startMosquitto({ devices, services: ['cloud-api'], password: PASSWORD });
    stack.push(() => mosquitto.close());
    postgres = await startDebianPostgres();
    stack.push(() => postgres.stop());
    redis = await startRedis();
    stack.push(() => redis.close());
    server = await startTestDatabase({ serverUrl: postgres.url });
    stack.push(() => server.close());
    database = await openDatabase({ url: server.url, log: silentLogger, maxConnections: 1 });
    stack.push(() => database.close());
    cloudA = await startCloud('a');
    stack.push(() => cloudA.stop());
    cloudB = await startCloud('b');
    stack.push(() => cloudB.stop());
    for (const id of DEVICES) await cloudA.register(id);
    boxes = await Promise.all(
      DEVICES.map((id) =>
        SimulatedBox.start({
          ...{ url: mosquitto.url, address: { tenantId: TENANT, deviceId: id as DeviceId }, password: PASSWORD },
          ...{ batchRecords: 50, timeoutMs: 3000 },
        }),
      ),
    );
    recorder = record();
  });

  afterAll(async () => {
    recording = false;
    await recorder;
    await Promise.all(boxes.map((box) => box.close()));
    await stack.stop();
  });

  const startCloud = (instance: string): Promise<CloudProcess> =>
    CloudProcess.start({
      databaseUrl: server.url,
      redisUrl: redis.url,
      mqtt: { url: mosquitto.url, username: 'cloud-api', password: PASSWORD },
      shared: { group: 'ingest', instance },
      adminKey: ADMIN_KEY,
      dimension: 16,
      dataDirectory: join(directory, instance),
      keyStoreDirectory: join(directory, 'keys'),
    });

  /** Every box records twelve revisions a second, three of each sighting, whoever is there to take them. */
  async function record(): Promise<void> {
    while (recording) {
      for (const box of boxes) {
        const own = recorded.get(box.address.deviceId) ?? new Map<string, number>();
        const id = box.record({});
        for (const revision of [2, 3]) box.record({ id, revision });
        recorded.set(box.address.deviceId, own.set(id, 3));
      }
      await sleep(250);
    }
  }

  /** Resolves once what was recorded before is acknowledged: everything works again. */
  async function caughtUp(): Promise<void> {
    const marks = boxes.map((box) => box.lastSequence);
    await vi.waitFor(() => {
      for (const [index, box] of boxes.entries())
        expect(box.committedThrough).toBeGreaterThanOrEqual(marks[index] ?? 0);
    }, WAIT);
  }

  it('shares the work', async () => {
    await caughtUp();
    const figures = await Promise.all([cloudA, cloudB].map((cloud) => cloud.figures()));
    for (const { stages } of figures) expect(stages.records).toBeGreaterThan(0);
  });

  it('goes on without a process that is killed, and with it again', async () => {
    await cloudB.kill();
    await caughtUp();
    cloudB = await startCloud('b');
    await caughtUp();
  });

  it('goes on after the broker was killed', async () => {
    await mosquitto.kill();
    await sleep(AWAY_MS);
    await mosquitto.restart();
    await caughtUp();
  });

  it('goes on after PostgreSQL was killed', async () => {
    await postgres.kill();
    await sleep(AWAY_MS);
    await postgres.restart();
    await caughtUp();
  });

  it('goes on after Redis was killed', async () => {
    await redis.kill();
    await caughtUp();
    await redis.restart();
    await caughtUp();
  });

  // Last: the boxes stop.
  it('has lost nothing and counted nothing twice', async () => {
    recording = false;
    await recorder;
    await caughtUp();
    for (const box of boxes) {
      const own = recorded.get(box.address.deviceId) ?? new Map<string, number>();
      const { rows } = await database.pool.query<Record<string, string>>(
        `SELECT
           (SELECT count(*) FROM cloud.ingest_record WHERE device_id = $1) AS records,
           (SELECT committed_through FROM cloud.ingest_stream WHERE device_id = $1) AS through,
           (SELECT count(*) FROM cloud.quarantine WHERE device_id = $1) AS poison,
           (SELECT count(*) FROM cloud.sighting WHERE device_id = $1 AND revision = 3) AS sightings,
           (SELECT count(*) FROM cloud.identification decided JOIN cloud.sighting seen
              ON seen.tenant_id = decided.tenant_id AND seen.id = decided.sighting_id WHERE device_id = $1) AS decisions`,
        [box.address.deviceId],
      );
      expect(own.size).toBeGreaterThan(20);
      expect(rows).toEqual([
        {
          records: String(box.lastSequence),
          through: String(box.lastSequence),
          poison: '0',
          sightings: String(own.size),
          decisions: String(3 * own.size),
        },
      ]);
      expect(box.waiting).toBe(0);
    }
  });
});
