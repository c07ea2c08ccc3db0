import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import type { rest } from '@sightline/contracts';
import { openDatabase, type Database } from '@sightline/database';
import { startTestDatabase } from '@sightline/database/testing';
import { silentLogger, StopStack, systemClock } from '@sightline/kernel';
import { createReleaseRepository, openDemoKeys, ReleaseRepository } from '@sightline/release-trust';
import { freePort } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { RecordingAgent } from '../edge/recording-agent.js';
import { CloudProcess } from '../ingest/cloud-process.js';
import { startFleetBroker } from './fleet-broker.js';
import { program, provisionBox } from './provision-box.js';

const PASSWORD = 'correct horse battery';
const ADMIN_KEY = 'test-admin-key-0123456789abcdef';
/** So that a box renews its certificate several times while it is watched. */
const LIFE_MS = 20_000;
const patience = { timeout: 40_000, interval: 100 };

const stack = new StopStack();
let folder: string;
let cloud: CloudProcess;
let database: Database;
let lists: ChildProcess;
let trustedRoot: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-device-trust-'));
  stack.push(() => rm(folder, { recursive: true, force: true }));
  const testDatabase = await startTestDatabase();
  stack.push(() => testDatabase.close());
  const databaseUrl = testDatabase.url;
  const ports = { services: await freePort(), devices: await freePort() };
  const mqtt = { url: `mqtt://127.0.0.1:${ports.services}`, username: 'cloud-api', password: PASSWORD };
  const broker = join(folder, 'broker');
  await mkdir(broker);
  const env = {
    ...{ SIGHTLINE_DATABASE_URL: databaseUrl, SIGHTLINE_KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64') },
    ...{ SIGHTLINE_MQTT_URL: mqtt.url, SIGHTLINE_MQTT_USERNAME: 'cloud-api', SIGHTLINE_MQTT_PASSWORD: PASSWORD },
    ...{
      SIGHTLINE_REPOSITORY_URL: 'http://127.0.0.1:9/',
      SIGHTLINE_TRUSTED_ROOT: 'e30=',
      SIGHTLINE_DATA_DIRECTORY: folder,
    },
  };
  const names = ['--name', '127.0.0.1', 'localhost', '--directory', broker];
  await promisify(execFile)('node', [program('cloud-api'), 'broker-certificate', ...names], {
    env: { ...process.env, ...env },
  });
  // REST serves before there is a broker, which waits for the list of revoked certificates.
  const publicUrl = `mqtts://127.0.0.1:${ports.devices}`;
  const child = {
    databaseUrl,
    mqtt: { ...mqtt, publicUrl },
    adminKey: ADMIN_KEY,
    dimension: 8,
    deviceCertificateMs: LIFE_MS,
  };
  const starting = CloudProcess.start(child);
  const listing = async (url: string, ...more: string[]) => {
    const options = ['--url', url, '--output', join(broker, 'crl.pem'), ...more];
    return spawn('node', [program('cloud-api'), 'revocation-list', ...options], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  };
  cloud = await starting;
  stack.push(() => cloud.stop());
  await once(await listing(cloud.url), 'exit');
  const mosquitto = await startFleetBroker({ folder: broker, ports, password: PASSWORD });
  stack.push(() => mosquitto.close());
  lists = await listing(cloud.url, '--every', '1', '--pid-file', mosquitto.pidFile);
  stack.push(async () => void lists.kill());
  database = await openDatabase({ url: databaseUrl, log: silentLogger });
  stack.push(() => database.close());
  const options = { directory: join(folder, 'repository'), clock: systemClock };
  const keys = await openDemoKeys(join(folder, 'keys'));
  await createReleaseRepository(options, keys);
  trustedRoot = Buffer.from(await new ReleaseRepository(options, keys).trustedRoot()).toString('base64');
});
afterAll(() => stack.stop());

async function api(method: string, path: string, body?: object): Promise<{ status: number; json: unknown }> {
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, ...(body && { 'content-type': 'application/json' }) };
  const response = await fetch(new URL(path, cloud.url), {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === '' ? undefined : JSON.parse(text) };
}

async function provision(document: unknown): Promise<rest.Provisioning> {
  const given = document as rest.Provisioning;
  return provisionBox(folder, cloud.url, { ...given, release: { ...given.release, trustedRoot } });
}

async function startBox(id: string, document: unknown): Promise<RecordingAgent> {
  const provisioning = await provision(document);
  const box = await RecordingAgent.start(join(folder, id), provisioning.mqtt, { provisioning });
  stack.push(() => box.agent.stop());
  await vi.waitFor(() => expect(box.agent.status().connected).toBe(true), patience);
  return box;
}

const certificates = async (id: string) =>
  ((await api('GET', `v1/devices/${id}/certificates`)).json as rest.DeviceCertificateList).items;

/** What is committed of a box: how many records, and how many there should be. */
async function committed(id: string): Promise<{ readonly records: number; readonly highest: number }> {
  const { rows } = await database.pool.query<{ records: string; highest: string | null }>(
    'SELECT count(*) AS records, max(sequence) AS highest FROM cloud.ingest_record WHERE device_id = $1',
    [id],
  );
  return { records: Number(rows[0]?.records), highest: Number(rows[0]?.highest ?? 0) };
}

describe('a box on Mosquitto', () => {
  it('is provisioned by one command, renews its certificate under load, and loses nothing by it', async () => {
    const created = await api('POST', 'v1/devices', { id: 'door-1', siteId: 'lobby' });
    const box = await startBox('door-1', created.json);
    await vi.waitFor(async () => expect((await certificates('door-1')).length).toBeGreaterThanOrEqual(3), patience);
    await vi.waitFor(async () => expect((await committed('door-1')).records).toBeGreaterThan(20), patience);
    await box.agent.stop();
    expect(box.agent.status().outbox.backlog).toBe(0);
    const { records, highest } = await committed('door-1');
    expect(records).toBe(highest);
    expect(box.agent.status().outbox.nextSequence).toBe(highest + 1);
    const [first, ...renewed] = await certificates('door-1');
    expect(first?.issuedBy).toBe('enrolment');
    expect(new Set(renewed.map(({ issuedBy }) => issuedBy))).toEqual(new Set(['renewal']));
  });

  it('that is revoked is thrown out, refused, and let in again only when it is enrolled anew', async () => {
    const created = await api('POST', 'v1/devices', { id: 'door-2', siteId: 'lobby' });
    const box = await startBox('door-2', created.json);
    expect((await api('POST', 'v1/devices/door-2/revoke', { reason: 'stolen' })).status).toBe(204);
    await vi.waitFor(() => expect(box.codes).toContain('MQTT.CERTIFICATE_REVOKED'), patience);
    expect(box.agent.status().connected).toBe(false);
    const { records } = await committed('door-2');
    await sleep(1000);
    expect(box.agent.status().connected).toBe(false);
    expect((await committed('door-2')).records).toBe(records);
    await box.agent.stop();
    expect(box.agent.status().outbox.backlog).toBeGreaterThan(0);

    const again = await startBox('door-2', (await api('POST', 'v1/devices/door-2/enrolment')).json);
    await vi.waitFor(async () => expect((await committed('door-2')).records).toBeGreaterThan(records), patience);
    await vi.waitFor(() => expect(again.agent.status().connected).toBe(true), patience);
  });
});
