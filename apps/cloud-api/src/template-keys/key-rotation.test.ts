import { fromBinary } from '@bufbuild/protobuf';
import {
  DesiredConfigSchema,
  IdentificationOutcome,
  topicOf,
  type DesiredConfig,
  type Identification,
  type rest,
} from '@sightline/contracts';
import { newSightingId, systemClock, type Clock, type KeyId, type PersonId } from '@sightline/kernel';
import { cosine } from '@sightline/matching';
import {
  createTemplateProtector,
  decodeTemplate,
  openTemplateKey,
  type Template,
  type TemplateProtector,
} from '@sightline/template-protection';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { EdgeCachePublisher } from '../edge-caches/edge-cache-publisher.js';
import { templatesOfPerson } from '../identification/stored-templates.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { newBoxKey, type BoxKey } from '../testing/box-key.js';
import { enrolAlong } from '../testing/enrol.js';
import { axis, DIMENSION, templateOf } from '../testing/fake-release.js';
import { TestBoxCache } from '../testing/test-box-cache.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, until, wireTemplate, type TestDevice } from '../testing/test-device.js';
import { KeyRotation } from './key-rotation.js';
import { TemplateKeys } from './template-keys.js';

const DAY_MS = 86_400_000;
let laterMs = 0;
const clock: Clock = {
  wallMs: () => systemClock.wallMs() + laterMs,
  monotonicMs: () => systemClock.monotonicMs(),
  sleep: (ms, signal) => systemClock.sleep(ms, signal),
};

const PEOPLE = 5;
let cloud: TestCloud;
let device: TestDevice;
let box: TestBoxCache;
let boxKey: BoxKey;
/** That boxes protect with before the rotation. */
let old: TemplateProtector;
const people: PersonId[] = [];
const desired: DesiredConfig[] = [];
let sequence = 0;

beforeAll(async () => {
  cloud = await startTestCloud({ clock });
  for (let index = 0; index < PEOPLE; index += 1) {
    people.push((await enrolAlong(cloud.api, `Person ${index}`, 2 * index)).id);
  }
  old = await protector();
  device = await startTestDevice(cloud, 'box-1');
  boxKey = await newBoxKey();
  const { token } = device.provisioning.enrolment ?? {};
  const payload = { token, certificateRequest: boxKey.request };
  expect(await status('POST', '/v1/device-certificates', payload)).toBe(201);
  await device.connection.subscribe(topicOf(device.address, 'desired/config'), async ({ payload: bytes }) => {
    desired.push(fromBinary(DesiredConfigSchema, bytes));
  });
  box = await TestBoxCache.of(device);
  await box.born();
  await until(() => (box.people.size === PEOPLE ? true : undefined), 'everybody in the cache');
});
afterAll(() => cloud.stop());

const protector = () => cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
const advance = () => cloud.api.app.get(KeyRotation).advance(new AbortController().signal);
const keys = async () => (await cloud.request({ url: '/v1/template-keys' })).json<rest.TemplateKeys>();
const status = async (method: 'POST', url: string, payload: object) =>
  (await cloud.request({ method, url, payload })).statusCode;

/** What the cloud decides about somebody whose embedding points so. */
async function identify(by: TemplateProtector, embedding: Float32Array): Promise<Identification> {
  const sightingId = newSightingId();
  sequence += 1;
  const templates = [wireTemplate(templateOf(embedding, by))];
  await device.send([{ sequence, payload: sightingPayload({ sightingId, templates }) }]);
  return until(() => device.identifications.find((found) => found.sightingId === sightingId), 'an identification');
}

async function expectAllKnown(by: TemplateProtector): Promise<void> {
  for (const [index, personId] of people.entries()) {
    const found = await identify(by, axis(2 * index, 0.4));
    expect(found).toMatchObject({ outcome: IdentificationOutcome.IDENTIFIED, personId });
    // Of an int8 probe with a tilt of .4: 1 / √1.16.
    expect(found.score).toBeCloseTo(0.9285, 2);
  }
  expect((await identify(by, axis(2 * PEOPLE))).outcome).toBe(IdentificationOutcome.UNKNOWN);
}

async function stored(): Promise<readonly Template[]> {
  const personalData = cloud.api.app.get(PersonalData);
  const all = people.map((personId) =>
    templatesOfPerson(cloud.api.database, personalData, { tenantId: TENANT, personId }),
  );
  return (await Promise.all(all)).flat();
}

describe('the rotation of a template key', () => {
  let former: readonly Template[];

  it('gives a new key, and finds everybody by either at any moment', async () => {
    former = await stored();
    const response = await cloud.request({ method: 'POST', url: '/v1/template-keys/rotate', payload: {} });
    expect(response.statusCode).toBe(202);
    const { keyId } = await protector();
    expect(keyId).not.toBe(old.keyId);
    await expectAllKnown(old);
    await expectAllKnown(await protector());
  });

  it('takes every template along, without a photo, and not once more', async () => {
    const { keyId } = await protector();
    await until(async () => {
      await advance();
      return (await stored()).every((template) => template.keyId === keyId) ? true : undefined;
    }, 'all templates under the new key');
    const moved = await stored();
    expect(moved.map((template) => template.keyId)).toEqual(people.map(() => keyId));
    expect(await keys()).toMatchObject({
      keys: [
        { epoch: 2, keyId, state: 'current', templates: PEOPLE },
        { epoch: 1, keyId: old.keyId, state: 'superseded', templates: 0, retiredAt: null },
      ],
    });
    await advance();
    expect(await stored()).toEqual(moved);
    await expectAllKnown(old);
    await expectAllKnown(await protector());
  });

  it('leaves a box that has the old key with everybody in its cache, under that key', async () => {
    await cloud.api.app.get(EdgeCachePublisher).pass();
    await until(() => (box.people.size === PEOPLE ? true : undefined), 'everybody in the cache');
    for (const [index, personId] of people.entries()) {
      const [template] = box.people.get(personId)?.templates ?? [];
      expect(template?.keyId).toBe(old.keyId);
      const vector = Float32Array.from(new Int8Array(template?.data ?? []), (code) => code * (template?.scale ?? 0));
      expect(cosine(vector, decodeTemplate(templateOf(axis(2 * index), old)))).toBeGreaterThan(0.99);
    }
  });

  it('sends the new key to the box, sealed to the key of its certificate', async () => {
    const { templateKey } = await until(() => desired.find((document) => document.templateKey), 'the new key');
    const { keyId } = await protector();
    expect(templateKey).toMatchObject({ keyId, epoch: 2 });
    if (templateKey === undefined) return;
    const delivered = { ...templateKey, keyId: templateKey.keyId as KeyId };
    const key = openTemplateKey(delivered, device.address, boxKey.privateKey);
    expect(createTemplateProtector({ ...key, dimension: DIMENSION }).keyId).toBe(keyId);
    expect((await keys()).devices).toEqual({
      ...{ current: 0, others: 1 },
      waiting: [{ deviceId: 'box-1', keyId: old.keyId, deliverable: true }],
    });
  });

  it('begins the cache anew for a box that has the new key', async () => {
    const { keyId } = await protector();
    box.lose();
    await box.born({ keyId });
    await until(() => (box.people.size === PEOPLE ? true : undefined), 'everybody in the new cache');
    expect([...box.people.values()].flatMap(({ templates }) => templates.map((template) => template.keyId))).toEqual(
      people.map(() => keyId),
    );
    expect((await keys()).devices).toEqual({ current: 1, others: 0, waiting: [] });
  });

  it('destroys the old key when its time is over: what is under it is refused, and tells nothing', async () => {
    laterMs = 29 * DAY_MS;
    await advance();
    await expectAllKnown(old);
    laterMs = 31 * DAY_MS;
    await advance();
    expect((await keys()).keys[1]).toMatchObject({ keyId: old.keyId, state: 'retired' });
    const { rows } = await cloud.api.database.db.execute(
      sql`SELECT wrapped_secret FROM cloud.template_key WHERE tenant_id = ${TENANT} ORDER BY epoch`,
    );
    expect(rows[0]).toEqual({ wrapped_secret: null });
    expect(await identify(old, axis(0))).toMatchObject({ outcome: IdentificationOutcome.REFUSED });
    await expectAllKnown(await protector());
    // Whoever has stolen the old key, and templates of before, has directions that are nobody's any more.
    const scores = (await stored()).flatMap((template) =>
      former.map((stolen) => cosine(decodeTemplate(template), decodeTemplate(stolen))),
    );
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(DIMENSION * scores.length));
  });

  it('gives nothing to a box that was revoked before', async () => {
    expect(await status('POST', '/v1/devices/box-1/revoke', { reason: 'stolen' })).toBeLessThan(300);
    const [before, seen] = [await protector(), desired.length];
    expect(await status('POST', '/v1/template-keys/rotate', { retireAfterHours: 0 })).toBe(202);
    await advance();
    laterMs += DAY_MS;
    // The scheduled job may be at the same templates: then the next look finds them moved.
    const now = await until(async () => {
      await advance();
      const found = await keys();
      return found.keys[1]?.state === 'retired' ? found : undefined;
    }, 'the end of the second key');
    expect(now.keys.map(({ epoch, state }) => [epoch, state])).toEqual([
      [3, 'current'],
      [2, 'retired'],
      [1, 'retired'],
    ]);
    expect(now.devices).toEqual({ current: 0, others: 0, waiting: [] });
    expect(desired).toHaveLength(seen);
    // All that the box has: its key, and whom it knew under it.
    const mine = await cloud.api.app.get(TemplateKeys).live(TENANT);
    expect(mine.map(({ keyId }) => keyId)).not.toContain(before.keyId);
    expect((await stored()).every(({ keyId }) => keyId === mine[0]?.keyId)).toBe(true);
  });

  it('has a bound: no more than four keys are in use', async () => {
    for (let key = 0; key < 3; key += 1) expect(await status('POST', '/v1/template-keys/rotate', {})).toBe(202);
    const response = await cloud.request({ method: 'POST', url: '/v1/template-keys/rotate', payload: {} });
    expect(response.json<rest.Problem>().code).toBe('TEMPLATE_KEY.TOO_MANY');
    expect(await status('POST', '/v1/template-keys/rotate', { retireAfterHours: -1 })).toBe(400);
  });
});
