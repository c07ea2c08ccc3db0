import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { channels, topicOf, type Channel } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { connectMqtt, type MqttConnection } from '@sightline/messaging';
import { freePort } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { Authority } from '../edge/certificates.js';
import { findMarkers } from '../privacy/scan.js';
import { startFleetBroker, type FleetBroker } from './fleet-broker.js';

const PASSWORD = 'correct horse battery';
const all = Object.keys(channels) as Channel[];
const boxes = ['acme/door-1', 'acme/door-2', 'rival/door-1'] as const;
type Client = (typeof boxes)[number] | 'cloud-api' | 'model-registry';
const clients: readonly Client[] = [...boxes, 'cloud-api', 'model-registry'];

let folder: string;
let authority: Authority;
let broker: FleetBroker;
const connections = new Map<Client, MqttConnection>();
const opened: MqttConnection[] = [];
/** `{sender} > {topic} > {receiver}` of all that was delivered. */
const delivered = new Set<string>();

const addressOf = (box: string) => {
  const [tenantId = '', deviceId = ''] = box.split('/');
  return { tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId };
};

async function connectBox(name: string, clientId: string, certificateName = name): Promise<MqttConnection> {
  const { certificateFile, keyFile } = await authority.issue(certificateName);
  const connection = await connectMqtt({
    ...{ url: broker.deviceUrl, clientId, username: name, password: 'whatever' },
    tls: {
      ca: await readFile(authority.file, 'utf8'),
      certificate: await readFile(certificateFile, 'utf8'),
      privateKey: await readFile(keyFile, 'utf8'),
    },
  });
  opened.push(connection);
  return connection;
}

const untilConnected = (connection: MqttConnection) =>
  vi.waitFor(() => expect(connection.connected).toBe(true), { timeout: 10_000, interval: 20 });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-authorisation-'));
  authority = await Authority.create(join(folder, 'authority'));
  const server = await authority.issue('127.0.0.1');
  await copyFile(authority.file, join(folder, 'ca.pem'));
  await copyFile(server.certificateFile, join(folder, 'server.pem'));
  await copyFile(server.keyFile, join(folder, 'server.key'));
  await copyFile(authority.revocationListFile, join(folder, 'crl.pem'));
  const ports = { services: await freePort(), devices: await freePort() };
  broker = await startFleetBroker({ folder, ports, password: PASSWORD });
  for (const box of boxes) connections.set(box, await connectBox(box, box));
  for (const name of ['cloud-api', 'model-registry'] as const) {
    const service = await connectMqtt({ url: broker.serviceUrl, clientId: name, username: name, password: PASSWORD });
    connections.set(name, service);
    opened.push(service);
  }
  for (const [receiver, connection] of connections) {
    await untilConnected(connection);
    // Whatever it can ask for: what arrives is what counts.
    await connection.subscribe('#', async ({ topic, payload }) => {
      delivered.add(`${Buffer.from(payload).toString()} > ${topic} > ${receiver}`);
    });
  }
});
afterAll(async () => {
  await Promise.all(opened.map((connection) => connection.close()));
  await broker.close();
  await rm(folder, { recursive: true, force: true });
});

const writes: Readonly<Record<'cloud-api' | 'model-registry', (channel: Channel) => boolean>> = {
  // Retained channels of the device too: it clears them when a box is deleted.
  'cloud-api': (channel) => channels[channel].publisher === 'service' || channels[channel].retain,
  'model-registry': (channel) => channel === 'desired/release',
};
const reads: Readonly<Record<'cloud-api' | 'model-registry', (channel: Channel) => boolean>> = {
  'cloud-api': (channel) => channels[channel].publisher === 'device',
  'model-registry': (channel) => ['birth', 'state/reported', 'release/state', 'health/window'].includes(channel),
};

function mayWrite(client: Client, box: string, channel: Channel): boolean {
  if (client === 'cloud-api' || client === 'model-registry') return writes[client](channel);
  return client === box && channels[channel].publisher === 'device';
}

function mayRead(client: Client, box: string, channel: Channel): boolean {
  if (client === 'cloud-api' || client === 'model-registry') return reads[client](channel);
  return client === box && channels[channel].publisher === 'service';
}

describe('Mosquitto on the configuration of infra/mosquitto', () => {
  it('delivers of every sender, on every topic of every box, exactly what the contract allows, to whom it allows', async () => {
    const expected = new Set<string>();
    for (const sender of clients) {
      for (const box of boxes) {
        for (const channel of all) {
          const topic = topicOf(addressOf(box), channel);
          await connections.get(sender)?.publish(topic, Buffer.from(sender));
          if (!mayWrite(sender, box, channel)) continue;
          for (const receiver of clients)
            if (mayRead(receiver, box, channel)) expected.add(`${sender} > ${topic} > ${receiver}`);
        }
      }
    }
    await vi.waitFor(() => expect(delivered.size).toBeGreaterThanOrEqual(expected.size), { timeout: 10_000 });
    // What is forbidden would have come before this.
    await connections.get('cloud-api')?.publish('sightline/v1/acme/door-1/command', Buffer.from('last'));
    await vi.waitFor(() => expect([...delivered].some((entry) => entry.startsWith('last'))).toBe(true));
    expect([...delivered].filter((entry) => !entry.startsWith('last')).sort()).toEqual([...expected].sort());
  });

  it('knows a box by its certificate alone: neither user name nor client id make it another', async () => {
    const before = connections.get('acme/door-2');
    const thief = await connectBox('acme/door-2', 'acme/door-2', 'acme/thief');
    await untilConnected(thief);
    await thief.publish('sightline/v1/acme/door-2/birth', Buffer.from('stolen'));
    await thief.publish('sightline/v1/acme/thief/birth', Buffer.from('own'));
    const seen = (what: string) => [...delivered].some((entry) => entry.startsWith(what));
    await vi.waitFor(() => expect(seen('own')).toBe(true));
    expect(seen('stolen')).toBe(false);
    expect(before?.connected).toBe(true);
  });

  it('lets in no box without a certificate, and no service without its password', async () => {
    const ca = await readFile(authority.file, 'utf8');
    const attempts = [
      { url: broker.deviceUrl, clientId: 'acme/door-1', username: 'cloud-api', password: PASSWORD, tls: { ca } },
      { url: broker.serviceUrl, clientId: 'x', username: 'cloud-api', password: 'wrong' },
      { url: broker.serviceUrl, clientId: 'y' },
    ];
    const connected: MqttConnection[] = [];
    for (const attempt of attempts) connected.push(await connectMqtt(attempt));
    opened.push(...connected);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(connected.map((connection) => connection.connected)).toEqual([false, false, false]);
  });

  it('writes to no disk what it holds for a box that is away', async () => {
    await connections.get('acme/door-2')?.close();
    const payload = Buffer.from('what a template looks like to a broker');
    for (const channel of ['gallery', 'desired/config'] as const)
      await connections.get('cloud-api')?.publish(topicOf(addressOf('acme/door-2'), channel), payload);
    await broker.stop();
    const { found, bytes } = await findMarkers([folder], [{ what: 'payload', bytes: payload }]);
    expect([...found]).toEqual([]);
    expect(bytes).toBeGreaterThan(0);
  });
});
