import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { tenantTopicOf, type rest } from '@sightline/contracts';
import { inTransaction } from '@sightline/database';
import { newPersonId, newSightingId, systemClock, type Clock, type PersonId } from '@sightline/kernel';
import { connectMqtt } from '@sightline/messaging';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { forgetPerson } from '../identification/forget-person.js';
import { enrolPeople } from '../testing/enrol.js';
import { ADMIN_KEY, startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { until } from '../testing/test-device.js';
import { AlertDelivery } from './alert-delivery.js';
import { ATTEMPT_MS, AlertSender } from './alert-sender.js';
import { Alerts } from './alerts.js';

let cloud: TestCloud;
let ada: PersonId;
/** How far the clock was put forward, ms. */
let aheadMs = 0;
/** How long an attempt takes at most, ms: a receiver that hangs is not waited for. */
let attemptMs = ATTEMPT_MS;
const clock: Clock = {
  wallMs: () => systemClock.wallMs() + aheadMs,
  monotonicMs: () => systemClock.monotonicMs(),
  sleep: (ms, signal) => systemClock.sleep(ms === ATTEMPT_MS ? attemptMs : ms, signal),
};
const servers: Server[] = [];
const subscriptions: string[] = [];

beforeAll(async () => {
  cloud = await startTestCloud({ clock, webhooks: { privateNetworks: true } });
  ada = (await enrolPeople(cloud.api, [{ name: 'Ada' }])).ids[0] ?? newPersonId();
});
afterAll(() => cloud.stop());
afterEach(async () => {
  attemptMs = ATTEMPT_MS;
  for (const id of subscriptions.splice(0)) {
    await cloud.request({ method: 'DELETE', url: `/v1/alert-subscriptions/${id}` });
  }
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function receiver(answer: (response: ServerResponse, count: number) => void) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      answer(response, received.length);
    });
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received };
}
const ok = (response: ServerResponse): void => void response.writeHead(204).end();

async function subscribe(wanted: object): Promise<rest.NewAlertSubscription> {
  const payload = { label: 'test', ...wanted };
  const response = await cloud.request({ method: 'POST', url: '/v1/alert-subscriptions', payload });
  expect(response.statusCode).toBe(201);
  const made = response.json<rest.NewAlertSubscription>();
  subscriptions.push(made.subscription.id);
  return made;
}
const webhook = (url: string) => ({ channel: { kind: 'webhook', url } });

async function raise(watchList = 'banned'): Promise<string> {
  const { database, app } = cloud.api;
  const sightingId = newSightingId();
  const seen = { kind: 'watch-list' as const, watchList, personId: ada, sightingId, revision: 1, score: 0.7 };
  const place = { siteId: 'gate', cameraId: 'door', dedupeKey: `watch-list/${sightingId}/${watchList}` };
  const id = await inTransaction(database, (tx) => app.get(Alerts).raise(tx, { tenantId: TENANT, ...seen, ...place }));
  return id ?? '';
}

/** Lets time pass, and what is due then be sent. */
async function after(seconds: number): Promise<void> {
  aheadMs += seconds * 1000;
  const delivery = cloud.api.app.get(AlertDelivery);
  await delivery.pass();
  await delivery.settled();
}

const detail = async (id: string) => (await cloud.request({ url: `/v1/alerts/${id}` })).json<rest.AlertDetail>();
const subscription = async (id: string) =>
  (await cloud.request({ url: `/v1/alert-subscriptions/${id}` })).json<rest.AlertSubscription>();
async function deliveryOf(id: string, state: rest.AlertDelivery['state'] = 'delivered') {
  return until(async () => (await detail(id)).deliveries.find((one) => one.state === state), `a delivery: ${state}`);
}
const attempted = (id: string, count = 1) =>
  until(async () => {
    const [delivery] = (await detail(id)).deliveries;
    return (delivery?.attempts.length ?? 0) >= count ? delivery : undefined;
  }, `${count} attempts`);

/** By the words of Standard Webhooks 1.0.0 alone: a list of signatures, each a version, a comma and base64. */
function isSigned({ headers, body }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    String(headers[name]),
  );
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest();
  return String(signatures)
    .split(' ')
    .map((signature) => signature.split(','))
    .some(([version, value = '']) => {
      const given = Buffer.from(value, 'base64');
      return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
    });
}

describe('a webhook', () => {
  it('is told of an alert once it is committed, signed, with ids and without names', async () => {
    const { url, received } = await receiver(ok);
    const { secret } = await subscribe(webhook(url));
    const id = await raise();
    const { attempts } = await deliveryOf(id);
    expect(attempts).toMatchObject([{ statusCode: 204, code: null }]);
    const [got] = received;
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(got && isSigned(got, secret ?? '')).toBe(true);
    expect(got && isSigned({ ...got, body: `${got.body} ` }, secret ?? '')).toBe(false);
    expect(got?.headers).toMatchObject({ 'webhook-id': `${id}_raised`, 'content-type': 'application/json' });
    expect(Math.abs(Number(got?.headers['webhook-timestamp']) - clock.wallMs() / 1000)).toBeLessThan(60);
    const message = JSON.parse(got?.body ?? '') as rest.AlertMessage;
    expect(message).toMatchObject({
      ...{ id: `${id}_raised`, type: 'alert.raised' },
      data: { tenantId: TENANT, alert: { id, kind: 'watch-list', watchList: 'banned', personId: ada, score: 0.7 } },
    });
    expect(message.data.identification).toBe(`/v1/identifications/${message.data.alert.sightingId}:1`);
    expect(got?.body).not.toContain('Ada');
  });

  it('is signed with the old secret too, for as long as that was said', async () => {
    const { url, received } = await receiver(ok);
    const { secret: old, subscription: made } = await subscribe(webhook(url));
    const rotated = await cloud.request({
      method: 'POST',
      url: `/v1/alert-subscriptions/${made.id}/secret`,
      payload: { previousValidHours: 1 },
    });
    const { secret } = rotated.json<rest.NewAlertSubscription>();
    await deliveryOf(await raise());
    aheadMs += 3_601_000;
    await deliveryOf(await raise());
    const signed = received.map((one) => [secret, old].map((key) => isSigned(one, key ?? '')));
    expect(signed).toEqual([
      [true, true],
      [true, false],
    ]);
    const dump = await cloud.api.database.db.execute(sql`SELECT one::text FROM cloud.alert_subscription one`);
    for (const key of [secret, old]) {
      const hex = Buffer.from(key?.slice(6) ?? '', 'base64').toString('hex');
      expect(JSON.stringify(dump.rows)).not.toContain(hex);
    }
  });

  it('that fails is told again with the same id and a fresh signature', async () => {
    const { url, received } = await receiver((response, count) => response.writeHead(count < 3 ? 500 : 200).end());
    const { secret } = await subscribe(webhook(url));
    const id = await raise();
    await attempted(id);
    await after(11);
    await after(21);
    const { attempts } = await deliveryOf(id);
    expect(attempts.map(({ statusCode, code }) => [statusCode, code])).toEqual([
      [500, 'WEBHOOK.REFUSED'],
      [500, 'WEBHOOK.REFUSED'],
      [200, null],
    ]);
    expect(new Set(received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([`${id}_raised`]));
    expect(new Set(received.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(3);
    expect(received.every((one) => isSigned(one, secret ?? ''))).toBe(true);
  });

  it.each<[string, (response: ServerResponse) => void, number | null, string]>([
    ['redirects', (response) => response.writeHead(302, { location: '/other' }).end(), 302, 'WEBHOOK.REFUSED'],
    ['hangs', () => undefined, null, 'WEBHOOK.TIMED_OUT'],
    ['hangs up', (response) => response.socket?.destroy(), null, 'WEBHOOK.INTERRUPTED'],
  ])('that %s has not received it', async (_, answer, statusCode, code) => {
    attemptMs = 300;
    const { url, received } = await receiver(answer);
    await subscribe(webhook(url));
    const delivery = await attempted(await raise());
    expect(delivery).toMatchObject({ state: 'pending', attempts: [{ statusCode, code }] });
    expect(received).toHaveLength(1);
  });

  it('whose body never ends has received it', async () => {
    attemptMs = 300;
    const { url } = await receiver((response) => response.writeHead(200).write('…'));
    await subscribe(webhook(url));
    await deliveryOf(await raise());
  });

  it('is left alone for as long as it asks, with whatever there is for it', async () => {
    const { url, received } = await receiver((response, count) =>
      response.writeHead(count === 1 ? 429 : 200, { 'retry-after': '3600' }).end(),
    );
    const { subscription: made } = await subscribe(webhook(url));
    const first = await raise();
    await attempted(first);
    const second = await raise();
    await after(3000);
    expect(received).toHaveLength(1);
    expect((await subscription(made.id)).pausedUntil).not.toBeNull();
    await after(700);
    await deliveryOf(first);
    await deliveryOf(second);
    expect(await subscription(made.id)).toMatchObject({ pausedUntil: null, failingSince: null });
  });

  it('that is gone is disabled, until an admin says otherwise', async () => {
    const { url } = await receiver((response, count) => response.writeHead(count === 1 ? 410 : 200).end());
    const { subscription: made } = await subscribe(webhook(url));
    const id = await raise();
    await deliveryOf(id, 'failed');
    expect(await subscription(made.id)).toMatchObject({ enabled: false, disabledReason: 'gone' });
    const redeliver = () => cloud.request({ method: 'POST', url: `/v1/alerts/${id}/redeliver`, payload: {} });
    expect((await redeliver()).json()).toMatchObject({ code: 'ALERT.NOT_DELIVERED' });
    const change = { method: 'PATCH' as const, url: `/v1/alert-subscriptions/${made.id}`, payload: { enabled: true } };
    expect((await cloud.request(change)).json()).toMatchObject({ enabled: true, disabledReason: null });
    expect((await redeliver()).statusCode).toBe(200);
    expect((await deliveryOf(id)).attempts).toHaveLength(2);
  });

  it('that is dead holds no other up', async () => {
    const dead = await receiver(() => undefined);
    const alive = await receiver(ok);
    await subscribe(webhook(dead.url));
    await subscribe(webhook(alive.url));
    for (let count = 0; count < 8; count += 1) await raise();
    await until(() => (alive.received.length === 8 ? true : undefined), 'what the other is told');
    expect(dead.received.length).toBeLessThanOrEqual(4);
  });

  it('can be tried, and says how it went', async () => {
    const { url, received } = await receiver((response) => response.writeHead(418).end());
    const { secret, subscription: made } = await subscribe(webhook(url));
    const tried = await cloud.request({ method: 'POST', url: `/v1/alert-subscriptions/${made.id}/test` });
    expect(tried.json()).toMatchObject({ delivered: false, statusCode: 418, code: 'WEBHOOK.REFUSED' });
    expect(received[0] && isSigned(received[0], secret ?? '')).toBe(true);
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ type: 'alert.test' });
  });
});

describe('an alert', () => {
  it('that is taken back is taken back where it was told, and told nowhere else', async () => {
    const { url, received } = await receiver(ok);
    const away = await receiver((response) => response.writeHead(503, { 'retry-after': '86000' }).end());
    await subscribe(webhook(url));
    await subscribe({ ...webhook(away.url), watchLists: ['vip'] });
    await attempted(await raise('vip'));
    const id = await raise('vip');
    await deliveryOf(id);
    await cloud.api.database.db.execute(
      sql`UPDATE cloud.alert SET retracted_at = now(), retraction = 'reviewed' WHERE id = ${id}`,
    );
    await after(1);
    const types = received.map(({ body }) => JSON.parse(body) as rest.AlertMessage);
    expect(types.filter(({ data }) => data.alert.id === id).map((one) => [one.id, one.type])).toEqual([
      [`${id}_raised`, 'alert.raised'],
      [`${id}_retracted`, 'alert.retracted'],
    ]);
    const { deliveries, state } = await detail(id);
    expect(state).toBe('retracted');
    expect(deliveries.map((one) => [one.event, one.state]).sort()).toEqual([
      ['raised', 'cancelled'],
      ['raised', 'delivered'],
      ['retracted', 'delivered'],
    ]);
  });

  it('is acknowledged once, and listed by its state', async () => {
    const id = await raise('other-list');
    const acknowledge = () => cloud.request({ method: 'POST', url: `/v1/alerts/${id}/acknowledge` });
    const first = (await acknowledge()).json<rest.Alert>();
    expect(first).toMatchObject({
      id,
      state: 'acknowledged',
      acknowledgedBy: expect.stringMatching(/^key:/) as string,
    });
    expect((await acknowledge()).json()).toEqual(first);
    const listed = async (query: string) =>
      (await cloud.request({ url: `/v1/alerts?${query}` })).json<rest.AlertPage>().items.map((one) => one.id);
    expect(await listed('watchList=other-list&state=acknowledged&kind=watch-list&siteId=gate')).toEqual([id]);
    expect(await listed('watchList=other-list&state=open')).toEqual([]);
    expect((await cloud.request({ url: `/v1/alerts/${randomUUID()}` })).json()).toMatchObject({
      code: 'ALERT.NOT_FOUND',
    });
  });

  it('of somebody who is erased loses the person, and is told to nobody any more', async () => {
    const { url } = await receiver((response) => response.writeHead(500).end());
    await subscribe(webhook(url));
    const [eve = newPersonId()] = (await enrolPeople(cloud.api, [{ name: 'Eve' }])).ids;
    const before = ada;
    ada = eve;
    const id = await raise();
    ada = before;
    await attempted(id);
    await inTransaction(cloud.api.database, (tx) => forgetPerson(tx, TENANT, eve));
    const told = await detail(id);
    expect(told).toMatchObject({ personId: null, deliveries: [{ state: 'cancelled' }] });
    expect(JSON.stringify(told)).not.toContain(eve);
  });

  it('reaches those who listen over MQTT with credentials of the tenant, and nobody else', async () => {
    const key = async (role: string) => {
      const made = await cloud.request({ method: 'POST', url: '/v1/api-keys', payload: { label: 'desk', role } });
      return made.json<rest.NewApiKey>().secret;
    };
    const username = `${TENANT}/_tenant`;
    const { url } = cloud.broker;
    const connection = await connectMqtt({
      url,
      username,
      clientId: `${username}:desk`,
      password: await key('auditor'),
    });
    const heard: rest.AlertMessage[] = [];
    await connection.subscribe(tenantTopicOf(TENANT, 'alert'), async ({ payload }) => {
      heard.push(JSON.parse(Buffer.from(payload).toString()) as rest.AlertMessage);
    });
    const { secret, subscription: made } = await subscribe({ channel: { kind: 'mqtt' } });
    expect([secret, made.channel]).toEqual([null, { kind: 'mqtt', topic: 'sightline/v1/default/_tenant/alert' }]);
    const id = await raise();
    await deliveryOf(id);
    expect(await until(() => heard[0], 'the message')).toMatchObject({ id: `${id}_raised`, data: { alert: { id } } });
    await connection.close();
    expect(await cloud.api.verifyDevice(username, ADMIN_KEY)).toEqual({ kind: 'listener', tenantId: TENANT });
    expect(await cloud.api.verifyDevice('other/_tenant', ADMIN_KEY)).toBeUndefined();
    expect(await cloud.api.verifyDevice(username, 'guess')).toBeUndefined();
  });
});

describe('a webhook that lies where it should not', () => {
  it('is refused when it is made, and at each connection', async () => {
    const { config } = cloud;
    const { app } = cloud.api;
    const { url, received } = await receiver(ok);
    const { subscription: made } = await subscribe(webhook(url));
    const { rows } = await cloud.api.database.db.execute<{ secret: Buffer }>(
      sql`SELECT wrapped_secret AS secret FROM cloud.alert_subscription WHERE id = ${made.id}`,
    );
    const strict = new AlertSender({ ...config, webhooks: undefined }, clock, cloud.api.mqtt);
    expect([strict.maySendTo(new URL(url)), app.get(AlertSender).maySendTo(new URL(url))]).toEqual([false, true]);
    const row = {
      ...{ tenantId: TENANT, id: made.id, label: '', kinds: [], watchLists: [], sites: [], schedule: null },
      ...{ channel: 'webhook' as const, wrappedSecret: new Uint8Array(rows[0]?.secret ?? []), failures: 0 },
      ...{ wrappedPreviousSecret: null, previousSecretExpiresAt: null, secretRotatedAt: null, disabledReason: null },
      ...{ failingSince: null, pausedUntil: null, createdAt: new Date() },
    };
    const message = { id: 'x', type: 'alert.test', timestamp: '' } as rest.AlertMessage;
    const port = new URL(url).port;
    const addresses = [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '2130706433',
      '0x7f.1',
      '169.254.169.254',
      '[::ffff:10.0.0.1]',
    ];
    for (const host of addresses) {
      const sent = await strict.send(
        { ...row, url: `https://${host}:${port}/` },
        message,
        new AbortController().signal,
      );
      expect([host, sent.code]).toEqual([host, 'WEBHOOK.ADDRESS_REFUSED']);
    }
    const untrusted = await app
      .get(AlertSender)
      .send({ ...row, url: `https://127.0.0.1:${port}/` }, message, new AbortController().signal);
    expect(untrusted.code).toBe('WEBHOOK.UNREACHABLE');
    expect(received).toEqual([]);
  });
});
