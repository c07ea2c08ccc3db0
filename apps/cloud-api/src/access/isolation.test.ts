import { channels, topicOf, type Channel, type rest } from '@sightline/contracts';
import { AppError, type DeviceId } from '@sightline/kernel';
import { connectMqtt, type MqttMessage } from '@sightline/messaging';
import { type IdentityProvider, startIdentityProvider } from '@sightline/rest-server/testing';
import { operationsOf, type ApiDocument } from '@sightline/testing';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { tellOf } from '../testing/answer-shape.js';
import { idsOf, nobody, requestTo } from '../testing/api-requests.js';
import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { until } from '../testing/test-device.js';
import {
  documentOf,
  isStream,
  requestAs,
  sendSighting,
  startTenant,
  traces,
  type TestTenant,
} from '../testing/two-tenants.js';

const PLATFORM_KEY = 'test-platform-key-0123456789';
/** Readings by id that `startTenant` has nothing for, each for a reason. */
const unreachable: readonly string[] = [
  // Once an erasure is complete, nothing says any more whose it was.
  '/v1/people/{id}/erasure',
];

let provider: IdentityProvider;
let cloud: TestCloud;
let document: ApiDocument;
let acme: TestTenant;
let other: TestTenant;
/** The other tenant's, by what they are. */
let credentials: Readonly<Record<string, string>>;
let before: Readonly<Record<string, readonly string[]>>;

beforeAll(async () => {
  provider = await startIdentityProvider();
  const { issuer, audience, jwksUrl: url } = provider;
  const claims = { tenant: 'tenant', role: 'role', device: 'device' };
  cloud = await startTestCloud({
    access: {
      platformKey: PLATFORM_KEY,
      identityProvider: { issuer, audience, claims, jwks: { url }, clockSkewSeconds: 30 },
      requestsPerMinute: { perCaller: 1e6, perTenant: 1e6 },
    },
  });
  document = await documentOf(cloud);
  acme = await startTenant(cloud, PLATFORM_KEY, 'acme');
  other = await startTenant(cloud, PLATFORM_KEY, 'other');
  credentials = await credentialsOf(other);
  before = await listed();
});
afterAll(async () => {
  await cloud.stop();
  await provider.close();
});

async function credentialsOf({ id, adminKey, provisioning }: TestTenant): Promise<Record<string, string>> {
  const key = async (wanted: object) => {
    const payload = { label: 'test', ...wanted };
    const made = await requestAs(cloud, adminKey, { method: 'POST', url: '/v1/api-keys', payload });
    return made.json<rest.NewApiKey>().secret;
  };
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return {
    device: await key({ role: 'device', deviceId: provisioning.deviceId }),
    operator: await key({ role: 'operator' }),
    jwt: await provider.sign({ sub: 'eve', tenant: id, role: 'admin', exp }),
    admin: adminKey,
  };
}

/** What has arrived of a stream so far. */
function collected(body: ReadableStream<Uint8Array> | null): () => string {
  const chunks: Uint8Array[] = [];
  const read = async () => {
    for await (const chunk of body ?? []) chunks.push(chunk);
  };
  // Ends when it is left.
  void read().catch(() => undefined);
  return () => Buffer.concat(chunks).toString();
}

/** Which of its ids a tenant sees in its own lists, by collection. */
async function listed(): Promise<Record<string, readonly string[]>> {
  const found: Record<string, readonly string[]> = {};
  for (const [collection, ids] of acme.ids) {
    const { statusCode, body } = await requestAs(cloud, acme.adminKey, { url: `${collection}?limit=100` });
    if (statusCode === 200) found[collection] = ids.filter((id) => body.includes(id));
  }
  return found;
}

describe('a tenant', () => {
  const own = () => operationsOf(document).filter(({ path }) => path.startsWith('/v1') && !isStream(path));
  const byId = () => own().filter(({ path }) => path.includes('{'));

  it('has one of everything that can be asked for by its id, so that what follows says something', async () => {
    const missed: string[] = [];
    for (const operation of byId().filter(({ method, path }) => method === 'GET' && !path.startsWith('/v1/tenants'))) {
      let found = false;
      for (let turn = 0; turn < 12 && !found; turn += 1) {
        const { request } = requestTo(document, operation, { ids: idsOf(acme, turn) });
        found = (await requestAs(cloud, acme.adminKey, request)).statusCode === 200;
      }
      if (!found) missed.push(operation.path);
    }
    expect(missed.filter((path) => !unreachable.includes(path))).toEqual([]);
  });

  it.each(['device', 'operator', 'jwt', 'admin'])(
    'learns nothing of another by any operation, with credentials of the kind %s',
    async (kind) => {
      const [foreign, token] = [traces(acme), credentials[kind] ?? ''];
      const differences: unknown[] = [];
      for (const operation of own()) {
        const theirs = requestTo(document, operation, { ids: idsOf(acme, 0) });
        const nobodys = requestTo(document, operation, { ids: nobody });
        const answer = await requestAs(cloud, token, theirs.request);
        const told = foreign.filter((trace) => !theirs.used.includes(trace) && answer.body.includes(trace));
        const said = [tellOf(answer, theirs.used)];
        // What names nothing is asked once: there is nothing to compare it with. A tenant's own audit holds what it asked.
        if (theirs.used.length > 0 && operation.path !== '/v1/audit') {
          said.push(tellOf(await requestAs(cloud, token, nobodys.request), nobodys.used));
        }
        if (new Set(said).size > 1 || told.length > 0) {
          differences.push({ name: `${operation.method} ${operation.path}`, said, told });
        }
      }
      expect(differences).toEqual([]);
    },
    60_000,
  );

  it('learns and changes nothing by lines of a file that name people of another', async () => {
    const exported = async ({ adminKey }: TestTenant) => {
      const { body } = await requestAs(cloud, adminKey, { url: '/v1/people/export' });
      return body.trim().split('\n');
    };
    const [, ...theirs] = (await exported(acme)).filter((line) => !line.includes('"kind":"end"'));
    const [head] = await exported(other);
    const people = theirs.filter((line) => line.includes('"kind":"person"'));
    expect(people.length).toBeGreaterThan(1);
    /** Whoever was exported, without external ids: people are known again by their ids alone. */
    const file = (idOf: (id: string) => string) =>
      people.map((line) => {
        const { id, ...rest } = JSON.parse(line) as { id: string };
        return JSON.stringify({ ...rest, id: idOf(id), externalId: null });
      });
    const told: unknown[] = [];
    for (const lines of [file((id) => id), file(() => randomUUID())]) {
      const payload = [head, ...lines, JSON.stringify({ kind: 'end', people: lines.length }), ''].join('\n');
      const headers = { 'content-type': 'application/x-ndjson' };
      const request = { method: 'POST' as const, url: '/v1/people/import', payload, headers };
      const answer = await requestAs(cloud, other.adminKey, request);
      told.push([answer.statusCode, answer.body]);
    }
    expect(told[0]).toEqual([200, expect.stringContaining(`"added":${people.length},`)]);
    expect(told[0]).toEqual(told[1]);
  });

  it('sees nothing of another in any stream, whoever is seen meanwhile', async () => {
    const streams = operationsOf(document).filter(({ path }) => path.startsWith('/v1') && isStream(path));
    expect(streams.length).toBeGreaterThan(0);
    const leave = new AbortController();
    const headers = { authorization: `Bearer ${other.adminKey}` };
    const heard = await Promise.all(
      streams.map(async ({ path }) => {
        const { status, body } = await fetch(new URL(path, cloud.api.url), { headers, signal: leave.signal });
        expect(status).toBe(200);
        return collected(body);
      }),
    );
    await sendSighting(cloud, acme.provisioning, 'marker-acme');
    // Comes after: what is not there by then was not sent.
    await sendSighting(cloud, other.provisioning, 'marker-other');
    const all = () => heard.map((text) => text()).join('\n');
    await until(() => (all().includes('marker-other') ? true : undefined), 'its own sighting');
    expect(traces(acme).filter((trace) => all().includes(trace))).toEqual([]);
    leave.abort();
  });

  it('has lost and changed nothing by that', async () => {
    expect(await listed()).toEqual(before);
  });
});

describe('a box', () => {
  it('that asks for all that is its own is given nothing that the broker keeps of another tenant', async () => {
    const { username, password } = other.provisioning.mqtt;
    const service = cloud.api.mqtt;
    const kept = (Object.keys(channels) as Channel[]).filter(
      (channel) => channels[channel].retain && channels[channel].publisher === 'service',
    );
    expect(kept.length).toBeGreaterThan(0);
    const [theirs, own] = [acme, other].map(({ id }) => ({ tenantId: id, deviceId: `cam-${id}` as DeviceId }));
    if (theirs === undefined || own === undefined) throw new Error('two tenants');
    for (const channel of kept) {
      await service.publish(topicOf(theirs, channel), Buffer.from('kept acme'), { retain: true });
      await service.publish(topicOf(own, channel), Buffer.from('kept other'), { retain: true });
    }
    const connection = await connectMqtt({ url: cloud.broker.url, clientId: username, username, password });
    const heard = new Map<string, string>();
    for (const channel of kept) {
      const hear = async ({ topic, payload }: MqttMessage) => void heard.set(topic, Buffer.from(payload).toString());
      await connection.subscribe(`sightline/v1/+/+/${channel}`, hear).catch(() => undefined);
      await connection.subscribe(topicOf(own, channel), hear);
    }
    await until(() => (heard.size === kept.length ? true : undefined), 'what is kept of itself');
    expect([...heard]).toEqual(kept.map((channel) => [topicOf(own, channel), 'kept other']));
    await connection.close();
  });

  it.each(Object.keys(channels) as Channel[])(
    'of another tenant neither hears nor says anything on %s',
    async (channel) => {
      const { username, password } = other.provisioning.mqtt;
      const reconnect = { baseMs: 10, capMs: 10 };
      const connection = await connectMqtt({
        url: cloud.broker.url,
        clientId: username,
        username,
        password,
        reconnect,
      });
      const address = { tenantId: acme.id, deviceId: 'cam-acme' as DeviceId };
      const topic = topicOf(address, channel);
      const ends: true[] = [];
      connection.on('disconnected', () => ends.push(true));
      const filters = [
        topic,
        `sightline/v1/${address.tenantId}/#`,
        `sightline/v1/+/+/${channel}`,
        `$share/x/${topic}`,
        '#',
      ];
      for (const filter of filters) {
        const heard = connection.subscribe(filter, async () => undefined);
        expect([
          filter,
          await heard.then(
            () => 'heard',
            (error: unknown) => error,
          ),
        ]).toEqual([filter, expect.any(AppError)]);
      }
      const before = ends.length;
      await connection.publish(topic, new Uint8Array([1])).catch(() => undefined);
      await until(() => (ends.length > before ? true : undefined), 'the end of the connection');
      await connection.close();
    },
  );
});
