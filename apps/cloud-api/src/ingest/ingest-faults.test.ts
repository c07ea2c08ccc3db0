import { openDatabase, type Database } from '@sightline/database';
import { newSightingId, silentLogger } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { DeviceLink } from '../devices/device-link.js';
import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, until, type TestDevice } from '../testing/test-device.js';
import { Ingest } from './ingest.js';

let cloud: TestCloud;
let device: TestDevice;
let outside: Database;
let databaseName: string;

beforeAll(async () => {
  cloud = await startTestCloud();
  device = await startTestDevice(cloud, 'box-1');
  const url = new URL(cloud.config.databaseUrl);
  databaseName = url.pathname.slice(1);
  url.pathname = '/postgres';
  outside = await openDatabase({ url: url.href, log: silentLogger, maxConnections: 1 });
});
afterAll(async () => {
  await outside.close();
  await cloud.stop();
});

async function takeDatabaseAway(): Promise<void> {
  await outside.pool.query(`ALTER DATABASE "${databaseName}" ALLOW_CONNECTIONS false`);
  await outside.pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [databaseName]);
}

async function bringDatabaseBack(): Promise<void> {
  await outside.pool.query(`ALTER DATABASE "${databaseName}" ALLOW_CONNECTIONS true`);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('ingest', () => {
  it('answers the same when its answer was lost and the box sends again', async () => {
    const send = vi.spyOn(cloud.api.app.get(DeviceLink), 'send').mockRejectedValue(new Error('the answer was lost'));
    const records = [{ sequence: 1, payload: sightingPayload() }];
    await device.send(records);
    await until(() => (send.mock.calls.length > 0 ? true : undefined), 'the lost answer');
    send.mockRestore();
    await device.send(records.map((record) => ({ ...record, replayed: true })));
    await device.acked(1);
    const { rows } = await cloud.api.database.pool.query('SELECT revision, replayed FROM cloud.sighting');
    expect(rows).toEqual([{ revision: 1, replayed: false }]);
    expect(device.identifications).toHaveLength(1);
  });

  it('waits for a database that is away, acknowledges nothing meanwhile, and loses nothing', async () => {
    await takeDatabaseAway();
    await device.send([{ sequence: 2, payload: sightingPayload() }]);
    await pause(400);
    expect(device.acks.map(({ committedThrough }) => committedThrough)).not.toContain(2n);
    await bringDatabaseBack();
    await device.acked(2);
  });

  it('sets one batch aside that cannot be stored, and takes those beside it', async () => {
    const ingest = cloud.api.app.get(Ingest);
    // The database refuses this site's rows: a stand-in for a defect that only one record shows.
    await cloud.api.database.pool.query(
      `ALTER TABLE cloud.sighting ADD CONSTRAINT no_cellar CHECK (camera_id <> 'cellar')`,
    );
    const good = newSightingId();
    await Promise.all([
      device.send([{ sequence: 3, payload: sightingPayload({ cameraId: 'cellar' }) }]),
      device.send([{ sequence: 4, payload: sightingPayload({ sightingId: good }) }]),
    ]);
    await device.acked(4);
    expect(ingest).toBeDefined();
    const { rows } = await cloud.api.database.pool.query('SELECT sequence, code FROM cloud.quarantine');
    expect(rows).toEqual([{ sequence: '3', code: 'DATABASE.QUERY_FAILED' }]);
    expect((await cloud.request({ url: `/v1/sightings/${good}` })).statusCode).toBe(200);
  });

  // Last: this process is stopped.
  it('gives the broker back what it could not store, and a next process stores it', async () => {
    await takeDatabaseAway();
    await device.send([{ sequence: 5, payload: sightingPayload() }]);
    await pause(300);
    await cloud.api.stop();
    await bringDatabaseBack();
    expect(device.acks.map(({ committedThrough }) => committedThrough)).not.toContain(5n);
    await cloud.restart();
    await device.acked(5);
  });
});
