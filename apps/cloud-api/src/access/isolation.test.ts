import { channels, topicOf, type Channel, type rest } from '@sightline/contracts';
import { AppError, type DeviceId } from '@sightline/kernel';
import { connectMqtt } from '@sightline/messaging';
import { operationsOf, type ApiDocument } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { idsOf, nobody, requestTo } from '../testing/api-requests.js';
import { startIdentityProvider, type IdentityProvider } from '../testing/identity-provider.js';
import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { until } from '../testing/test-device.js';
import { documentOf, isStream, requestAs, startTenant, traces, type TestTenant } from '../testing/two-tenants.js';

const PLATFORM_KEY = 'test-platform-key-0123456789';
/** Readings by id that `startTenant` has nothing for, each for a reason. */
const unreachable: readonly string[] = [
  // An enrolment in bulk begins with an archive, which is no JSON.
  ...['/v1/enrolments/{id}', '/v1/enrolments/{id}/rows', '/v1/enrolments/{id}/rows.csv'],
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

const answered = (status: number, body: string) =>
  status < 300 ? String(status) : `${status} ${(JSON.parse(body) as Partial<rest.Problem>).code}`;

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
        const said = [answered(answer.statusCode, answer.body)];
        // What names nothing is asked once: there is nothing to compare it with.
        if (theirs.used.length > 0) {
          const reference = await requestAs(cloud, token, nobodys.request);
          said.push(answered(reference.statusCode, reference.body));
        }
        if (new Set(said).size > 1 || told.length > 0) {
          differences.push({ name: `${operation.method} ${operation.path}`, said, told });
        }
      }
      expect(differences).toEqual([]);
    },
    60_000,
  );

  it('has lost and changed nothing by that', async () => {
    expect(await listed()).toEqual(before);
  });
});

describe('a box', () => {
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
