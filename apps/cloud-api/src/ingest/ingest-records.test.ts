import { create } from '@bufbuild/protobuf';
import {
  DeviceTimeSchema,
  IdentificationOutcome,
  PresentationAttackSchema,
  SightingPhase,
  type Identification,
  type rest,
} from '@sightline/contracts';
import { newSightingId, newStreamId, type KeyId, type SpaceId } from '@sightline/kernel';
import { createTemplateProtector, type Template, type TemplateProtector } from '@sightline/template-protection';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TemplateKeys } from '../template-keys/template-keys.js';
import { axis, DIMENSION, templateOf } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import {
  batchPayload,
  gapPayload,
  momentAt,
  sightingPayload,
  startTestDevice,
  until,
  wireTemplate,
  type TestDevice,
} from '../testing/test-device.js';

let cloud: TestCloud;
let device: TestDevice;
let protector: TemplateProtector;

beforeAll(async () => {
  cloud = await startTestCloud();
  device = await startTestDevice(cloud, 'box-1');
  protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
});
afterAll(() => cloud.stop());

async function quarantined(): Promise<rest.QuarantinePage['items']> {
  return (await cloud.request({ url: '/v1/quarantine' })).json<rest.QuarantinePage>().items;
}

const getSighting = async (id: string): Promise<rest.Sighting> =>
  (await cloud.request({ url: `/v1/sightings/${id}` })).json<rest.Sighting>();

/** Sends records in a stream of their own. */
async function sendAlone(payload: Uint8Array): Promise<string> {
  const streamId = newStreamId();
  await device.send([{ sequence: 1, payload }], streamId);
  await until(() => device.acks.find((ack) => ack.streamId === streamId && ack.committedThrough === 1n), 'the ack');
  return streamId;
}

describe('the acknowledgement', () => {
  const ackOf = (streamId: string, through: number) =>
    until(
      () => device.acks.find((ack) => ack.streamId === streamId && ack.committedThrough === BigInt(through)),
      `${through}`,
    );

  it('does not pass a hole, and does once the hole is filled', async () => {
    const streamId = newStreamId();
    const record = (sequence: number) => ({ sequence, payload: sightingPayload() });
    await device.send([record(1), record(2), record(4)], streamId);
    await ackOf(streamId, 2);
    await device.send([record(5)], streamId);
    await device.send([record(3)], streamId);
    await ackOf(streamId, 5);
  });

  it('passes what a gap record accounts for', async () => {
    const streamId = newStreamId();
    await device.send([{ sequence: 1, payload: sightingPayload() }], streamId);
    await ackOf(streamId, 1);
    await device.send([{ sequence: 9, payload: gapPayload(2, 8) }], streamId);
    await ackOf(streamId, 9);
  });

  it('is of each stream alone', async () => {
    const [first, second] = [newStreamId(), newStreamId()];
    await device.send([{ sequence: 1, payload: sightingPayload() }], first);
    await device.send([{ sequence: 7, payload: sightingPayload() }], second);
    await ackOf(first, 1);
    await ackOf(second, 0);
  });
});

describe('poison', () => {
  const impossible: readonly (readonly [string, Parameters<typeof sightingPayload>[0]])[] = [
    ['an id that is none', { sightingId: 'nobody' }],
    ['revision 0', { revision: 0 }],
    ['no phase', { phase: SightingPhase.UNSPECIFIED }],
    ['a camera with a control character', { cameraId: 'a\u0000b' }],
    ['a quality that is no number', { quality: Number.NaN }],
    ['a release that is no digest', { releaseDigest: 'latest' }],
    ['a time beyond every date', { lastSeenAt: create(DeviceTimeSchema, { bootId: 'b', wallMs: 2n ** 62n }) }],
  ];

  it.each(impossible)('with %s is quarantined, shown and acknowledged', async (_, changes) => {
    const streamId = await sendAlone(sightingPayload(changes));
    expect(await quarantined()).toContainEqual(
      expect.objectContaining({ streamId, sequence: 1, code: 'SIGHTING.INVALID', deviceId: 'box-1' }),
    );
  });

  it('that cannot be decoded does not touch its neighbours', async () => {
    const streamId = newStreamId();
    const sightingId = newSightingId();
    await device.send(
      [
        { sequence: 1, payload: new Uint8Array([255, 255, 255]) },
        { sequence: 2, payload: sightingPayload({ sightingId }) },
        { sequence: 2n ** 63n, payload: sightingPayload() },
      ],
      streamId,
    );
    await until(() => device.acks.find((ack) => ack.streamId === streamId && ack.committedThrough === 2n), 'the ack');
    expect((await getSighting(sightingId)).revision).toBe(1);
    const items = (await quarantined()).filter((item) => item.streamId === streamId);
    expect(items.map(({ sequence, code }) => ({ sequence, code }))).toEqual(
      expect.arrayContaining([
        { sequence: 1, code: 'MQTT.MALFORMED_MESSAGE' },
        { sequence: null, code: 'SIGHTING.INVALID' },
      ]),
    );
    expect(items).toHaveLength(2);
  });

  it('of a whole batch is quarantined, and the next batch is taken', async () => {
    const garbage = new Uint8Array([1, 2, 3, 4, 250, 251]);
    await device.publish(garbage);
    await device.publish(batchPayload('not-a-stream', []));
    await sendAlone(sightingPayload());
    const items = await until(async () => {
      const found = (await quarantined()).filter((item) => item.streamId === null);
      return found.length >= 2 ? found : undefined;
    }, 'both batches in quarantine');
    expect(items).toContainEqual(expect.objectContaining({ bytes: garbage.length, code: 'MQTT.MALFORMED_MESSAGE' }));
  });

  it("is a record about another device's sighting: nothing of it is changed or told", async () => {
    const other = await startTestDevice(cloud, 'box-2');
    const sightingId = newSightingId();
    await sendAlone(sightingPayload({ sightingId, cameraId: 'door' }));
    await other.send([{ sequence: 1, payload: sightingPayload({ sightingId, revision: 9, cameraId: 'elsewhere' }) }]);
    await other.acked(1);
    await other.send([{ sequence: 1, payload: sightingPayload({ sightingId, revision: 1 }) }]);
    await until(() => (other.acks.length >= 2 ? true : undefined), 'the second ack');
    expect(await getSighting(sightingId)).toMatchObject({ revision: 1, cameraId: 'door', deviceId: 'box-1' });
    expect(other.identifications).toEqual([]);
    expect(await quarantined()).toContainEqual(
      expect.objectContaining({ deviceId: 'box-2', code: 'SIGHTING.FOREIGN', sequence: 1 }),
    );
    await other.connection.close();
  });
});

describe('a sighting whose templates cannot be compared', () => {
  const foreign = () =>
    createTemplateProtector({
      secret: new Uint8Array(32).fill(9),
      tenantId: TENANT,
      epoch: 1,
      dimension: DIMENSION,
    });
  const withNaN = (template: Template): Template => ({ ...template, data: template.data.map(() => 0xff) });
  const cases: readonly (readonly [string, string, () => readonly Template[]])[] = [
    ['none at all', 'TEMPLATE.MISSING', () => []],
    ['a vector with NaN', 'TEMPLATE.INVALID', () => [withNaN(templateOf(axis(1), protector, { codec: 'float16' }))]],
    ['a scale of NaN', 'TEMPLATE.INVALID', () => [{ ...templateOf(axis(1), protector), scale: Number.NaN }]],
    ['too few bytes', 'TEMPLATE.INVALID', () => [{ ...templateOf(axis(1), protector), data: new Uint8Array(3) }]],
    [
      'another dimension',
      'TEMPLATE.WRONG_DIMENSION',
      () => [{ ...templateOf(axis(1), protector), dimension: 8, data: new Uint8Array(8).fill(1) }],
    ],
    [
      'another model space',
      'TEMPLATE.FOREIGN_SPACE',
      () => [templateOf(axis(1), protector, { spaceId: 'other' as SpaceId })],
    ],
    ['another key', 'TEMPLATE.FOREIGN_KEY', () => [templateOf(axis(1), foreign())]],
    [
      "the tenant's key for one shot of two",
      'TEMPLATE.FOREIGN_KEY',
      () => [templateOf(axis(1), protector), templateOf(axis(1), protector, { keyId: 'stolen' as KeyId })],
    ],
  ];

  it.each(cases)('%s: is stored, and refused with %s', async (_, code, shots) => {
    const sightingId = newSightingId();
    const streamId = await sendAlone(sightingPayload({ sightingId, templates: shots().map(wireTemplate) }));
    const stored = await getSighting(sightingId);
    expect(stored).toMatchObject({ refusalCode: code, decision: { outcome: 'refused', person: null, score: null } });
    const told = await until(
      () => device.identifications.find((identification: Identification) => identification.streamId === streamId),
      'the identification',
    );
    expect(told).toMatchObject({ outcome: IdentificationOutcome.REFUSED, refusalCode: code, personId: '' });
  });
});

describe('how live a sighting looks', () => {
  const stored = async (liveScore: number, requiredLiveScore: number): Promise<rest.Sighting> => {
    const sightingId = newSightingId();
    const presentationAttack = create(PresentationAttackSchema, { liveScore, shots: 1, requiredLiveScore });
    const templates = [wireTemplate(templateOf(axis(1), protector))];
    await sendAlone(sightingPayload({ sightingId, templates, presentationAttack }));
    return getSighting(sightingId);
  };

  it('is kept, and refuses a decision where its camera required more', async () => {
    expect(await stored(0.25, 0)).toMatchObject({ liveScore: 0.25, refusalCode: null });
    expect(await stored(0.75, 0.5)).toMatchObject({ liveScore: 0.75, refusalCode: null });
    expect(await stored(0.25, 0.5)).toMatchObject({
      ...{ liveScore: 0.25, refusalCode: 'PRESENTATION.NOT_LIVE' },
      decision: { outcome: 'refused', person: null, score: null },
    });
  });
});

describe('the time of a sighting', () => {
  it("is the cloud's, whatever the box's clock says, and both are kept", async () => {
    const sightingId = newSightingId();
    const now = performance.now();
    const in1971 = 40_000_000_000;
    const before = Date.now();
    await sendAlone(
      sightingPayload({
        sightingId,
        firstSeenAt: momentAt(now - 3000, in1971),
        lastSeenAt: momentAt(now - 1000, in1971 + 2000),
      }),
    );
    const stored = await getSighting(sightingId);
    expect(Math.abs(Date.parse(stored.firstSeenAt) - (before - 3000))).toBeLessThan(500);
    expect(Date.parse(stored.lastSeenAt) - Date.parse(stored.firstSeenAt)).toBeCloseTo(2000, -1);
    const { rows } = await cloud.api.database.pool.query('SELECT * FROM cloud.sighting WHERE id = $1', [sightingId]);
    expect(rows[0]).toMatchObject({ device_first_seen_ms: String(in1971), dating: 'monotonic', boot_id: 'boot-1' });
  });
});
