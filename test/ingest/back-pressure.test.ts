import { openDatabase, type Database } from '@sightline/database';
import { startTestDatabase, type TestDatabase } from '@sightline/database/testing';
import { silentLogger, StopStack, type DeviceId, type TenantId } from '@sightline/kernel';
import { startMosquitto, type Mosquitto } from '@sightline/testing';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { startDebianPostgres } from '../database/debian-postgres.js';
import { CloudProcess } from './cloud-process.js';
import { SimulatedBox } from './simulated-box.js';

const ADMIN_KEY = 'test-admin-key-0123456789abcdef';
const PASSWORD = 'correct horse';
const TENANT = 'default' as TenantId;
const DEVICES = Array.from({ length: 20 }, (_, index) => `box-${index + 1}`);
const WIDEST = 4;
const BATCH_RECORDS = 25;
/** Of each box: twice what its window lets go. */
const RECORDS = 8 * BATCH_RECORDS;
/** How long the database takes nothing; boxes send again after less. */
const LOCKED_MS = 3500;
const TIMEOUT_MS = 2000;
/** What the process may hold of the fleet's backlog while it can store nothing. */
const GROWTH_BYTES = 64 * 1024 * 1024;
const WAIT = { timeout: 30_000, interval: 20 };

describe('a database that is slow', () => {
  const stack = new StopStack();
  let mosquitto: Mosquitto;
  let server: TestDatabase;
  let database: Database;
  let cloud: CloudProcess;
  let boxes: readonly SimulatedBox[] = [];

  beforeAll(async () => {
    const devices = DEVICES.map((id) => `${TENANT}/${id}`);
    mosquitto = await startMosquitto({ devices, services: ['cloud-api'], password: PASSWORD });
    stack.push(() => mosquitto.close());
    const postgres = await startDebianPostgres();
    stack.push(() => postgres.stop());
    server = await startTestDatabase({ serverUrl: postgres.url });
    stack.push(() => server.close());
    database = await openDatabase({ url: server.url, log: silentLogger, maxConnections: 1 });
    stack.push(() => database.close());
    const mqtt = { url: mosquitto.url, username: 'cloud-api', password: PASSWORD };
    cloud = await CloudProcess.start({ databaseUrl: server.url, mqtt, adminKey: ADMIN_KEY, dimension: 16 });
    stack.push(() => cloud.stop());
    for (const id of DEVICES) await cloud.register(id);
    boxes = await Promise.all(
      DEVICES.map((id) =>
        SimulatedBox.start({
          ...{ url: mosquitto.url, address: { tenantId: TENANT, deviceId: id as DeviceId }, password: PASSWORD },
          ...{ batchRecords: BATCH_RECORDS, timeoutMs: TIMEOUT_MS },
        }),
      ),
    );
    stack.push(async () => {
      await Promise.all(boxes.map((box) => box.close()));
    });
  });
  afterAll(() => stack.stop());

  const windows = (): readonly number[] => boxes.map((box) => box.window);
  const allCommitted = (): void => {
    for (const box of boxes) expect(box.committedThrough).toBe(box.lastSequence);
  };

  async function residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${cloud.pid}/status`, 'utf8');
    return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
  }

  /** Nothing of a sighting can be stored meanwhile. */
  async function whileLocked(task: () => Promise<void>): Promise<void> {
    await database.pool.query('BEGIN');
    await database.pool.query('LOCK TABLE cloud.ingest_record IN ACCESS EXCLUSIVE MODE');
    await task();
    await database.pool.query('COMMIT');
  }

  it('narrows the windows of the boxes, which keep what waits, loses nothing, and widens them again', async () => {
    for (const box of boxes) box.record({});
    await vi.waitFor(allCommitted, WAIT);
    expect(windows()).toEqual(DEVICES.map(() => WIDEST));

    const before = await residentBytes();
    let held = 0;
    await whileLocked(async () => {
      for (const box of boxes) for (let count = 0; count < RECORDS; count += 1) box.record({});
      const deadlineMs = performance.now() + LOCKED_MS;
      while (performance.now() < deadlineMs) {
        held = Math.max(held, (await residentBytes()) - before);
        await sleep(50);
      }
      // Nothing is acknowledged before it is committed.
      for (const box of boxes) expect(box.waiting).toBe(RECORDS);
    });
    expect(held).toBeLessThan(GROWTH_BYTES);

    const narrowest = DEVICES.map(() => WIDEST);
    await vi.waitFor(() => {
      windows().forEach((window, index) => (narrowest[index] = Math.min(window, narrowest[index] ?? WIDEST)));
      allCommitted();
    }, WAIT);
    expect(narrowest).toEqual(DEVICES.map(() => 1));

    for (const box of boxes) box.record({});
    await vi.waitFor(() => {
      allCommitted();
      expect(windows()).toEqual(DEVICES.map(() => WIDEST));
    }, WAIT);
    const { rows } = await database.pool.query<Record<string, string>>(
      `SELECT (SELECT count(*) FROM cloud.ingest_record) AS records, (SELECT count(*) FROM cloud.sighting) AS sightings,
         (SELECT count(*) FROM cloud.identification) AS decisions, (SELECT count(*) FROM cloud.quarantine) AS poison`,
    );
    const all = String(DEVICES.length * (RECORDS + 2));
    expect(rows).toEqual([{ records: all, sightings: all, decisions: all, poison: '0' }]);
  });
});
