import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fromBinary } from '@bufbuild/protobuf';
import { TemplateSchema } from '@sightline/contracts';
import { startTestDatabase } from '@sightline/database/testing';
import { silentLogger, StopStack, type DeviceId, type TenantId } from '@sightline/kernel';
import { startEmbeddedBroker } from '@sightline/messaging';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { CloudProcess } from '../ingest/cloud-process.js';
import { SimulatedBox } from '../ingest/simulated-box.js';

const ADMIN_KEY = 'test-admin-key-0123456789abcdef';
const address = { tenantId: 'default' as TenantId, deviceId: 'box-1' as DeviceId };
const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' };
/** More than are sent at once, so that some are under way when the process dies, and some have not begun. */
const PEOPLE = 6;
const WAIT = { timeout: 60_000, interval: 50 };

const stack = new StopStack();
/** What the receiver was told, by the id of the message. */
const told = new Map<string, string[]>();
let answers = false;
let start: () => Promise<CloudProcess>;
let brokerUrl: string;
let hookUrl: string;

beforeAll(async () => {
  const database = await startTestDatabase();
  stack.push(() => database.close());
  const directory = await mkdtemp(join(tmpdir(), 'sightline-alerts-'));
  stack.push(() => rm(directory, { recursive: true, force: true }));
  const broker = await startEmbeddedBroker({
    ...{ host: '127.0.0.1', port: 0, log: silentLogger },
    authenticate: (name) =>
      Promise.resolve(name === 'cloud-api' ? { kind: 'service', name } : { kind: 'device', ...address }),
  });
  stack.push(() => broker.close());
  const receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const id = String(request.headers['webhook-id']);
      told.set(id, [...(told.get(id) ?? []), answers ? 'answered' : 'hung']);
      if (answers) response.writeHead(204).end();
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  stack.push(async () => {
    receiver.closeAllConnections();
    receiver.close();
  });
  hookUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  brokerUrl = broker.url;
  start = async () => {
    const cloud = await CloudProcess.start({
      ...{ databaseUrl: database.url, adminKey: ADMIN_KEY, dimension: 16, webhooks: { privateNetworks: true } },
      mqtt: { url: broker.url, username: 'cloud-api', password: 'secret' },
      keyStoreDirectory: join(directory, 'keys'),
    });
    stack.push(() => cloud.kill());
    return cloud;
  };
});
afterAll(() => stack.stop());

async function ask<T>(url: string, method = 'GET', payload?: object): Promise<T> {
  const response = await fetch(url, { method, headers, ...(payload && { body: JSON.stringify(payload) }) });
  expect(response.ok).toBe(true);
  return (await response.json()) as T;
}

it('a SIGKILL between the commit and the delivery loses no alert, and none has two ids', async () => {
  let cloud = await start();
  await ask(`${cloud.url}/v1/devices`, 'POST', { id: 'box-1', siteId: 'gate' });
  await ask(`${cloud.url}/v1/alert-subscriptions`, 'POST', {
    label: 'guard',
    channel: { kind: 'webhook', url: hookUrl },
  });
  const probes = await cloud.fillGallery({ templates: PEOPLE, perPerson: 1, probes: PEOPLE });
  const people = await ask<{ items: { id: string }[] }>(`${cloud.url}/v1/people`);
  for (const { id } of people.items) await ask(`${cloud.url}/v1/people/${id}`, 'PATCH', { groups: ['watch-list'] });
  const box = await SimulatedBox.start({ url: brokerUrl, address, password: 'x', batchRecords: 1, timeoutMs: 2000 });
  stack.push(() => box.close());
  for (const probe of probes) box.record({ templates: [fromBinary(TemplateSchema, probe)] });
  await expect.poll(() => box.waiting, WAIT).toBe(0);
  await expect.poll(() => told.size, WAIT).toBeGreaterThan(0);
  await cloud.kill();
  answers = true;
  cloud = await start();
  const { items } = await ask<{ items: { id: string; sightingId: string }[] }>(`${cloud.url}/v1/alerts`);
  expect(new Set(items.map(({ sightingId }) => sightingId)).size).toBe(PEOPLE);
  const answered = () => [...told].filter(([, how]) => how.includes('answered')).map(([id]) => id);
  await expect.poll(() => answered().length, WAIT).toBe(PEOPLE);
  // What hung when the process died was told again under the id that it had.
  expect([...told.keys()].sort()).toEqual(items.map(({ id }) => `${id}_raised`).sort());
  const delivered = async () => {
    const details = await Promise.all(
      items.map(({ id }) => ask<{ deliveries: { state: string }[] }>(`${cloud.url}/v1/alerts/${id}`)),
    );
    return details.flatMap(({ deliveries }) => deliveries.map(({ state }) => state));
  };
  await expect.poll(delivered, WAIT).toEqual(Array.from({ length: PEOPLE }, () => 'delivered'));
});
