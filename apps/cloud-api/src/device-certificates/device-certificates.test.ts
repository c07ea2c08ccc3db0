import { sign, X509Certificate } from 'node:crypto';

import './x509.js';
import * as x509 from '@peculiar/x509';
import { create, toBinary } from '@bufbuild/protobuf';
import { DeviceBirthSchema, renewalStatement, topicOf, type rest } from '@sightline/contracts';
import { systemClock, type Clock, type DeviceId } from '@sightline/kernel';
import { connectMqtt, type MqttConnection } from '@sightline/messaging';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { newBoxKey, type BoxKey } from '../testing/box-key.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { gapPayload, startTestDevice, until } from '../testing/test-device.js';

const DAY_MS = 86_400_000;
let laterMs = 0;
const clock: Clock = {
  wallMs: () => systemClock.wallMs() + laterMs,
  monotonicMs: () => systemClock.monotonicMs(),
  sleep: (ms, signal) => systemClock.sleep(ms, signal),
};

let cloud: TestCloud;
let mqtts: string;
const opened: MqttConnection[] = [];

beforeAll(async () => {
  cloud = await startTestCloud({ clock });
  const certificate = await cloud.api.brokerCertificate(['localhost', '127.0.0.1']);
  ({ url: mqtts } = await cloud.broker.listenTls({ host: '127.0.0.1', port: 0, ...certificate }));
});
afterAll(async () => {
  await Promise.all(opened.map((connection) => connection.close()));
  await cloud.stop();
});

const post = (path: string, payload: object = {}) =>
  cloud.request({ method: 'POST', url: `/v1/${path}`, payload, headers: {} });
async function register(id: string): Promise<rest.Provisioning> {
  const response = await post('devices', { id, siteId: 'lobby' });
  expect(response.statusCode).toBe(201);
  return response.json<rest.Provisioning>();
}
const enrol = (token = '', { request }: BoxKey) => post('device-certificates', { token, certificateRequest: request });
async function issued(response: ReturnType<typeof post>): Promise<rest.IssuedCertificate> {
  const { statusCode, body } = await response;
  expect(statusCode, body).toBe(201);
  return JSON.parse(body) as rest.IssuedCertificate;
}
const codeOf = async (response: ReturnType<typeof post>): Promise<string> => (await response).json<rest.Problem>().code;
const serialOf = ({ certificate }: rest.IssuedCertificate): string =>
  new X509Certificate(certificate).serialNumber.toLowerCase();

function renew(running: rest.IssuedCertificate, by: BoxKey, next: BoxKey) {
  const serialNumber = serialOf(running);
  const request = new Uint8Array(new x509.Pkcs10CertificateRequest(next.request).rawData);
  const proof = sign('sha256', renewalStatement(serialNumber, request), by.privateKey).toString('base64');
  return post('device-certificates/renewals', { serialNumber, certificateRequest: next.request, proof });
}

/** A box that enrols itself. */
async function enrolled(id: string) {
  const provisioning = await register(id);
  const key = await newBoxKey();
  return { provisioning, key, certificate: await issued(enrol(provisioning.enrolment?.token, key)) };
}

async function connect(
  { mqtt: { username } }: rest.Provisioning,
  { certificate, authorities }: rest.IssuedCertificate,
  { privateKey }: BoxKey,
): Promise<MqttConnection> {
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const connection = await connectMqtt({
    ...{ url: mqtts, clientId: username, username },
    ...{ tls: { ca: authorities, certificate, privateKey: pem }, reconnect: { baseMs: 20, capMs: 50 } },
  });
  opened.push(connection);
  return connection;
}
const untilIs = (connection: MqttConnection, connected: boolean) =>
  until(() => (connection.connected === connected ? true : undefined), connected ? 'a connection' : 'the end of it');
const list = async (id: string) =>
  (await cloud.request({ url: `/v1/devices/${id}/certificates` })).json<rest.DeviceCertificateList>().items;

describe('the enrolment of a box', () => {
  it('gives the certificate of its name to one key, and the same again when the answer was lost', async () => {
    const { enrolment } = await register('enrolled-1');
    const key = await newBoxKey();
    const first = await issued(enrol(enrolment?.token, key));
    const certificate = new X509Certificate(first.certificate);
    expect(certificate.subject).toBe(`CN=${TENANT}/enrolled-1`);
    expect(certificate.subjectAltName).toBe(`URI:urn:sightline:${TENANT}:enrolled-1`);
    expect(certificate.ca).toBe(false);
    expect(certificate.checkPrivateKey(key.privateKey)).toBe(true);
    expect(certificate.verify(new X509Certificate(first.authorities).publicKey)).toBe(true);
    expect((Date.parse(first.expiresAt) - Date.now()) / DAY_MS).toBeCloseTo(90, 1);
    expect((await issued(enrol(enrolment?.token, key))).certificate).toBe(first.certificate);
    expect(await codeOf(enrol(enrolment?.token, await newBoxKey()))).toBe('ENROLMENT_TOKEN.INVALID');
  });

  it('asks for a token that was given out, within its time', async () => {
    const key = await newBoxKey();
    expect(await codeOf(enrol('made-up', key))).toBe('ENROLMENT_TOKEN.INVALID');
    const { enrolment } = await register('enrolled-2');
    laterMs = 8 * DAY_MS;
    expect(await codeOf(enrol(enrolment?.token, key))).toBe('ENROLMENT_TOKEN.INVALID');
    laterMs = 0;
    expect((await enrol(enrolment?.token, key)).statusCode).toBe(201);
  });

  it('refuses what is no request, a key on another curve and a request that another key has signed', async () => {
    const { enrolment } = await register('enrolled-3');
    const [good, other] = [await newBoxKey(), await newBoxKey()];
    const bytes = Buffer.from(new x509.Pkcs10CertificateRequest(good.request).rawData);
    const signature = Buffer.from(new x509.Pkcs10CertificateRequest(other.request).rawData).subarray(-60);
    const forged = new x509.Pkcs10CertificateRequest(Buffer.concat([bytes.subarray(0, -60), signature]));
    const wrong = [
      (await newBoxKey('P-384')).request,
      forged.toString('pem'),
      '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----',
      '-----BEGIN CERTIFICATE REQUEST-----',
    ];
    for (const request of wrong)
      expect(await codeOf(enrol(enrolment?.token, { ...good, request }))).toBe('CERTIFICATE.REQUEST_INVALID');
    expect((await enrol(enrolment?.token, good)).statusCode).toBe(201);
  });
});

describe('the renewal of a certificate', () => {
  it('is given for a proof of the running key, twice for one that comes twice, and ends all but the two last', async () => {
    const box = await enrolled('renewed-1');
    const [second, third] = [await newBoxKey(), await newBoxKey()];
    const next = await issued(renew(box.certificate, box.key, second));
    expect((await issued(renew(box.certificate, box.key, second))).certificate).toBe(next.certificate);
    const [first, renewed] = await list('renewed-1');
    expect([first?.revoked, renewed?.revoked, renewed?.issuedBy]).toEqual([null, null, 'renewal']);
    await issued(renew(next, second, third));
    expect((await list('renewed-1')).map(({ revoked }) => revoked?.reason)).toEqual([
      'superseded',
      undefined,
      undefined,
    ]);
    expect(await codeOf(renew(box.certificate, box.key, await newBoxKey()))).toBe('CERTIFICATE.NOT_RENEWABLE');
  });

  it('is refused to whoever does not hold the key, and after the end', async () => {
    const box = await enrolled('renewed-2');
    const [thief, next] = [await newBoxKey(), await newBoxKey()];
    expect(await codeOf(renew(box.certificate, thief, next))).toBe('CERTIFICATE.NOT_RENEWABLE');
    const unknown = { serialNumber: 'ab'.repeat(16), certificateRequest: next.request, proof: 'AAAA' };
    expect(await codeOf(post('device-certificates/renewals', unknown))).toBe('CERTIFICATE.NOT_RENEWABLE');
    laterMs = 91 * DAY_MS;
    expect(await codeOf(renew(box.certificate, box.key, next))).toBe('CERTIFICATE.NOT_RENEWABLE');
    laterMs = 0;
    expect((await renew(box.certificate, box.key, next)).statusCode).toBe(201);
  });
});

describe('a certificate', () => {
  it('lets its box in without a password, under its own name alone', async () => {
    const box = await enrolled('let-in-1');
    const connection = await connect(box.provisioning, box.certificate, box.key);
    await untilIs(connection, true);
    const other = await register('let-in-2');
    const stranger = await connect(other, box.certificate, box.key);
    const unsigned = await connectMqtt({
      url: mqtts,
      clientId: 'x/y',
      username: 'x/y',
      tls: { ca: box.certificate.authorities },
    });
    opened.push(stranger, unsigned);
    await connection.publish(
      topicOf({ tenantId: TENANT, deviceId: 'let-in-1' as DeviceId }, 'health'),
      Uint8Array.of(),
      {
        qos: 0,
      },
    );
    expect([stranger.connected, unsigned.connected, connection.connected]).toEqual([false, false, true]);
  });
});

describe('the revocation of a box', () => {
  it('cuts its connection at once, and refuses password, certificate, token and renewal from then on', async () => {
    const box = await enrolled('revoked-1');
    const connection = await connect(box.provisioning, box.certificate, box.key);
    await untilIs(connection, true);
    expect((await post('devices/revoked-1/revoke', { reason: 'stolen' })).statusCode).toBe(204);
    await untilIs(connection, false);
    const { username, password } = box.provisioning.mqtt;
    expect(await cloud.api.verifyDevice(username, password)).toBeUndefined();
    const shown = new X509Certificate(box.certificate.certificate);
    const fingerprint256 = shown.fingerprint256.replaceAll(':', '');
    const certificate = { commonName: username, serialNumber: shown.serialNumber, fingerprint256 };
    expect(await cloud.api.verifyDeviceCertificate(certificate)).toBeUndefined();
    expect(await codeOf(renew(box.certificate, box.key, await newBoxKey()))).toBe('CERTIFICATE.NOT_RENEWABLE');
    expect(await codeOf(enrol(box.provisioning.enrolment?.token, box.key))).toBe('ENROLMENT_TOKEN.INVALID');
    const detail = (await cloud.request({ url: '/v1/devices/revoked-1' })).json<rest.DeviceDetail>();
    expect(detail.revoked?.reason).toBe('stolen');
    const crl = new x509.X509Crl((await cloud.request({ url: '/v1/device-certificates/crl', headers: {} })).body);
    const found = crl.findRevoked(serialOf(box.certificate));
    expect(found?.reason).toBe(x509.X509CrlReason.keyCompromise);
    const authority = new x509.X509Certificate(
      (await cloud.request({ url: '/v1/device-certificates/authority' })).body,
    );
    expect(await crl.verify({ publicKey: authority })).toBe(true);
  });

  it('has nothing taken of the box that a broker lets in all the same, and its connection cut', async () => {
    const box = await startTestDevice(cloud, 'revoked-3');
    // As by another process, before its broker has heard of it.
    const change = `UPDATE cloud.device SET revoked_at = now(), revocation_reason = 'lost' WHERE id = 'revoked-3'`;
    await cloud.api.database.pool.query(change);
    await box.send([{ sequence: 1, payload: gapPayload(1, 1) }]);
    const birth = create(DeviceBirthSchema, { schemaVersion: 1, sessionId: 's1', agentVersion: '9.9.9' });
    await box.publish(toBinary(DeviceBirthSchema, birth), 'birth').catch(() => undefined);
    await untilIs(box.connection, false);
    await box.connection.close();
    const { rows } = await cloud.api.database.pool.query(
      `SELECT agent_version, (SELECT count(*)::int FROM cloud.ingest_record WHERE device_id = id) AS records
       FROM cloud.device WHERE id = 'revoked-3'`,
    );
    expect(rows).toEqual([{ agent_version: null, records: 0 }]);
  });

  it('says nothing more to the box until it is enrolled anew', async () => {
    const box = await enrolled('revoked-2');
    await post('devices/revoked-2/revoke');
    expect((await post('devices/revoked-2/revoke', { reason: 'lost' })).statusCode).toBe(204);
    const settings = { payload: { settings: {} }, method: 'PUT' as const };
    const put = await cloud.request({ ...settings, url: '/v1/devices/revoked-2/desired-config' });
    expect(put.json<rest.Problem>().code).toBe('DEVICE.REVOKED');
    const again = (await post('devices/revoked-2/enrolment')).json<rest.Provisioning>();
    const key = await newBoxKey();
    const certificate = await issued(enrol(again.enrolment?.token, key));
    await untilIs(await connect(again, certificate, key), true);
    expect(await cloud.api.verifyDevice(again.mqtt.username, again.mqtt.password)).toBeDefined();
    expect(await cloud.api.verifyDevice(again.mqtt.username, box.provisioning.mqtt.password)).toBeUndefined();
    expect((await list('revoked-2')).map(({ revoked }) => revoked?.reason)).toEqual(['unspecified', undefined]);
    expect((await post('devices/nobody/revoke')).statusCode).toBe(404);
  });

  it('goes with its deletion, which clears what the broker keeps and frees the id', async () => {
    const box = await enrolled('deleted-1');
    const address = { tenantId: TENANT, deviceId: 'deleted-1' as DeviceId };
    const connection = await connect(box.provisioning, box.certificate, box.key);
    await untilIs(connection, true);
    await connection.publish(topicOf(address, 'status'), Uint8Array.of(8, 1), { retain: true });
    const cleared: string[] = [];
    await cloud.api.mqtt.subscribe(`sightline/v1/${TENANT}/deleted-1/#`, async ({ topic, payload }) => {
      if (payload.length === 0) cleared.push(topic.split('/').slice(4).join('/'));
    });
    const response = await cloud.request({ method: 'DELETE', url: '/v1/devices/deleted-1' });
    expect(response.statusCode).toBe(204);
    await untilIs(connection, false);
    await until(() => (cleared.length >= 4 ? true : undefined), 'the cleared topics');
    expect(new Set(cleared)).toEqual(new Set(['desired/config', 'desired/release', 'status', 'state/reported']));
    for (const path of ['', '/certificates', '/desired-config'])
      expect((await cloud.request({ url: `/v1/devices/deleted-1${path}` })).statusCode).toBe(404);
    const { items } = (await cloud.request({ url: '/v1/devices?limit=500' })).json<rest.DevicePage>();
    expect(items.some(({ id }) => id === 'deleted-1')).toBe(false);
    expect((await cloud.request({ method: 'DELETE', url: '/v1/devices/deleted-1' })).statusCode).toBe(404);
    await register('deleted-1');
    expect((await post('devices', { id: 'deleted-1', siteId: 'lobby' })).json<rest.Problem>().code).toBe(
      'DEVICE.ALREADY_EXISTS',
    );
  });
});
