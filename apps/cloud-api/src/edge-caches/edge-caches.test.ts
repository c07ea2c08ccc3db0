import { IdentificationOutcome, LocalDecisionSchema, TemplateCodec, type rest } from '@sightline/contracts';
import { create } from '@bufbuild/protobuf';
import { newSightingId, type PersonId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { StartedCloudApi } from '../start-cloud-api.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { enrolAlong, enrolPeople } from '../testing/enrol.js';
import { axis, DIMENSION, templateOf } from '../testing/fake-release.js';
import { TestBoxCache } from '../testing/test-box-cache.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, until, wireTemplate, type TestDevice } from '../testing/test-device.js';
import { EdgeCachePublisher } from './edge-cache-publisher.js';

const WEEK_MS = 7 * 86_400_000;

let cloud: TestCloud;
/** The process that runs at the moment. */
let api: StartedCloudApi;
let device: TestDevice;
let box: TestBoxCache;
let ada: PersonId;
let grace: PersonId;

beforeAll(async () => {
  cloud = await startTestCloud();
  ({ api } = cloud);
  ({ id: ada } = await enrolAlong(api, 'Ada', 0));
  ({ id: grace } = await enrolAlong(api, 'Grace', 3));
  await patch(ada, { groups: ['staff'] });
  await patch(grace, { sites: ['elsewhere'] });
  device = await startTestDevice(cloud, 'box-1');
  box = await TestBoxCache.of(device);
});
afterAll(() => cloud.stop());

const patch = (id: string, payload: object) => cloud.request({ method: 'PATCH', url: `/v1/people/${id}`, payload });
const remove = (id: string) => cloud.request({ method: 'DELETE', url: `/v1/people/${id}` });
const pass = () => api.app.get(EdgeCachePublisher).pass();
const holds = (...ids: readonly string[]) =>
  until(
    () => (ids.length === box.people.size && ids.every((id) => box.people.has(id)) ? true : undefined),
    `${ids.length} people, not ${box.people.size}`,
  );
/** Of the box that was registered last. */
async function shown(): Promise<rest.EdgeCache | undefined> {
  return (await cloud.request({ url: '/v1/edge-caches' })).json<rest.EdgeCachePage>().items[0];
}
const eventually = (fits: (cache: rest.EdgeCache) => boolean, what: string) =>
  until(async () => {
    const found = await shown();
    return found !== undefined && fits(found) ? found : undefined;
  }, what);
const settled = () =>
  eventually(({ unsent, sentVersion, confirmedVersion }) => unsent === 0 && sentVersion === confirmedVersion, 'calm');
/** The proof of an erasure, once every box has confirmed it: it outlives what ties it to a person. */
async function confirmed(response: Awaited<ReturnType<typeof remove>>): Promise<rest.ErasureProof> {
  const url = String(response.headers.location);
  return until(async () => {
    const proof = (await cloud.request({ url })).json<rest.ErasureProof>();
    return proof.devices.every(({ confirmedAt }) => confirmedAt !== null) ? proof : undefined;
  }, 'the receipts');
}
const erasureOf = async (id: string) => (await cloud.request({ url: `/v1/people/${id}/erasure` })).json<rest.Erasure>();

describe('the local cache of a box', () => {
  it('begins at its birth: the people of its site, signed, in int8, with their groups and a lease', async () => {
    // Planned before there is a box to be told twice.
    await pass();
    await box.born();
    await holds(ada);
    expect(box.people.get(ada)).toMatchObject({
      groups: ['staff'],
      templates: [{ codec: TemplateCodec.INT8, dimension: DIMENSION }],
    });
    expect(box.expiresAtMs / 1000).toBeCloseTo((Date.now() + WEEK_MS) / 1000, -2);
    expect(box.deltas).toHaveLength(1);
    const cache = await settled();
    expect(cache).toMatchObject({ deviceId: 'box-1', cacheId: box.cacheId, people: 1, templates: 1, error: null });
    expect(cache).toMatchObject({ sentVersion: 1, confirmedVersion: 1, pendingErasures: [] });
    expect(Date.parse(cache.lease?.expiresAt ?? '')).toBe(box.expiresAtMs);
  });

  it('follows enrolments, groups and sites', async () => {
    const { id } = await enrolAlong(api, 'Joan', 5);
    await pass();
    await holds(ada, id);
    await patch(ada, { groups: ['staff', 'night'] });
    await pass();
    await until(() => (box.people.get(ada)?.groups.length === 2 ? true : undefined), 'the groups');
    await patch(id, { sites: ['elsewhere'] });
    await pass();
    await holds(ada);
    expect(box.deltas.at(-1)?.tombstones).toMatchObject([{ personId: id, erasureId: '' }]);
    await settled();
  });

  it('gets whom the site has seen lately, and the box hears where it differed', async () => {
    const protector = await api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
    const payload = sightingPayload({
      sightingId: newSightingId(),
      templates: [wireTemplate(templateOf(axis(3), protector))],
      localDecision: create(LocalDecisionSchema, {
        ...{ outcome: IdentificationOutcome.IDENTIFIED, personId: ada, score: 0.6 },
      }),
    });
    await device.send([{ sequence: 1, payload }]);
    await device.acked(1);
    const answer = await until(() => device.identifications[0], 'the decision');
    expect(answer).toMatchObject({ personId: grace, localDiffered: true, groups: [] });
    await pass();
    await holds(ada, grace);
    expect(await settled()).toMatchObject({ localDiffered: 1 });
  });

  it('loses an erased person at once, and the receipt shows it', async () => {
    expect((await cloud.request({ url: `/v1/people/${grace}/erasure` })).json()).toMatchObject({
      status: 404,
      code: 'PERSON.NOT_ERASED',
    });
    const removed = await remove(grace);
    await holds(ada);
    const proof = await confirmed(removed);
    expect(proof.devices).toMatchObject([{ deviceId: 'box-1' }]);
    expect(box.deltas.at(-1)?.tombstones).toMatchObject([{ personId: grace, erasureId: proof.erasureId }]);
  });

  it('of a box that is away is outstanding until the box is back', async () => {
    const { id } = await enrolAlong(api, 'Gone', 7);
    await pass();
    await holds(ada, id);
    await box.dies();
    await eventually(({ online }) => !online, 'the death');
    await remove(id);
    await pass();
    const pending = await eventually(({ pendingErasures }) => pendingErasures.length > 0, 'the erasure');
    expect(pending.pendingErasures).toMatchObject([{ personId: id, sentAt: null }]);
    expect(await erasureOf(id)).toMatchObject({
      outstanding: 1,
      devices: [{ leaseExpiresAt: pending.lease?.expiresAt }],
    });
    expect(box.people.size).toBe(2);
    await box.born();
    await holds(ada);
    await eventually(({ pendingErasures }) => pendingErasures.length === 0, 'the receipt');
  });

  it('is sent again from where the box is when messages were lost', async () => {
    const { cacheId, version } = box;
    box.refuses = 'silence';
    const { id } = await enrolAlong(api, 'Lost', 9);
    await pass();
    await eventually(({ sentVersion }) => sentVersion > version, 'a delta into the void');
    box.refuses = undefined;
    const removed = await remove(id);
    await holds(ada);
    await settled();
    expect(box.cacheId).toBe(cacheId);
    await confirmed(removed);
  });

  it('gets its lease renewed daily by an empty delta, and again what it has not confirmed in time', async () => {
    await settled();
    const { version, expiresAtMs } = box;
    await api.database.db.execute(sql`UPDATE cloud.edge_cache SET lease_issued_at = now() - interval '25 hours'`);
    await pass();
    await until(() => (box.expiresAtMs > expiresAtMs ? true : undefined), 'the lease');
    expect(box.deltas.at(-1)).toMatchObject({ fromVersion: BigInt(version), toVersion: BigInt(version), people: [] });

    box.refuses = 'silence';
    const { id } = await enrolAlong(api, 'Again', 13);
    await pass();
    await eventually(({ sentVersion }) => sentVersion > version, 'a delta into the void');
    box.refuses = undefined;
    await api.database.db.execute(sql`UPDATE cloud.edge_cache SET resend_at = now()`);
    await pass();
    await holds(ada, id);
    await remove(id);
    await holds(ada);
    await settled();
  });

  it('begins anew on a box that has lost it, and in another model space', async () => {
    const { cacheId } = box;
    box.lose();
    await box.born();
    await holds(ada);
    await settled();
    expect(box.cacheId).not.toBe(cacheId);

    const { cacheId: former } = box;
    await box.born({ modelSpace: 'next-space' });
    await until(() => (box.cacheId === former ? undefined : true), 'the cache of the next space');
    await holds();
    expect(await settled()).toMatchObject({ modelSpace: 'next-space', people: 0, sentVersion: 1 });
    await box.born();
    await holds(ada);
    await settled();
  });

  it('counts a box as holding somebody until it has really begun anew', async () => {
    const { id } = await enrolAlong(api, 'Held', 11);
    await pass();
    await holds(ada, id);
    await settled();
    box.refuses = 'silence';
    await box.born({ modelSpace: 'next-space' });
    await eventually(({ modelSpace, sentVersion }) => modelSpace === 'next-space' && sentVersion > 0, 'a beginning');
    const removed = await remove(id);
    expect(await erasureOf(id)).toMatchObject({ outstanding: 1 });
    box.refuses = undefined;
    await box.born();
    await holds(ada);
    await confirmed(removed);
  });

  it('takes late receipts for what they are, and repeats nothing after a restart', async () => {
    const calm = await settled();
    const seen = box.deltas.length;
    const { version } = box;
    box.version = 1;
    await box.receipt({ correlationId: 'of long ago' });
    await box.receipt({ correlationId: 'of long ago', error: 'CACHE.GAP' });
    box.version = version;
    await api.stop();
    api = await cloud.restart();
    await box.receipt();
    await eventually(({ lastReceiptAt }) => lastReceiptAt !== calm.lastReceiptAt, 'the receipt');
    expect(await settled()).toMatchObject({ cacheId: calm.cacheId, sentVersion: calm.sentVersion });
    expect(box.deltas).toHaveLength(seen);
  });

  it('of many people is filled message by message, with the newest that the box takes', async () => {
    const protector = await api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
    const templates = [templateOf(axis(5), protector)];
    const { ids } = await enrolPeople(
      api,
      Array.from({ length: 450 }, (_, index) => ({
        name: 'Many',
        templates,
        createdAt: new Date(Date.now() - (index + 1) * 3_600_000),
      })),
    );
    // Planned before there is a box to be told twice.
    await pass();
    const second = await TestBoxCache.of(await startTestDevice(cloud, 'box-2'));
    await second.born({ maximumTemplates: 420 });
    await until(() => (second.people.size === 420 ? true : undefined), 'as many as the box takes');
    expect(second.people.has(ada)).toBe(true);
    expect(second.deltas.map(({ people }) => people.length)).toEqual([200, 200, 20]);
    expect(second.deltas.map(({ fromVersion, toVersion }) => [fromVersion, toVersion])).toEqual([
      [0n, 1n],
      [1n, 2n],
      [2n, 3n],
    ]);

    const third = await TestBoxCache.of(await startTestDevice(cloud, 'box-3'));
    third.takesPeople = 300;
    await third.born({ maximumTemplates: 420 });
    // What it said is shown until it has said something else, which may be soon.
    const shown = await eventually(
      ({ error, people }) => error?.code === 'CACHE.FULL' || people === 200,
      'a box that takes no more',
    );
    expect(shown.deviceId).toBe('box-3');
    await pass();
    await eventually(({ people }) => people === 200, 'what fits');
    await api.database.db.execute(sql`DELETE FROM cloud.person WHERE id = ANY (${sql.param(ids)}::uuid[])`);
  });
});
