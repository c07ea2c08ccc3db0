import { newSightingId, type PersonId, type SightingId } from '@sightline/kernel';
import { and, asc, eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { alert } from '../storage/alert-schema.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { enrolAlong } from '../testing/enrol.js';
import { axis, DIMENSION, templateOf } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { momentAt, sightingPayload, startTestDevice, wireTemplate, type TestDevice } from '../testing/test-device.js';

let cloud: TestCloud;
let device: TestDevice;
/** On the list `banned`. */
let ada: PersonId;
/** On `banned` and on `vip`. */
let bob: PersonId;
/** In a group that is no watch-list. */
let eve: PersonId;
let sequence = 0;
let cameras = 0;
let cameraId: string;

beforeAll(async () => {
  cloud = await startTestCloud();
  device = await startTestDevice(cloud, 'box-1');
  ada = (await enrolAlong(cloud.api, 'Ada', 0)).id;
  bob = (await enrolAlong(cloud.api, 'Bob', 1)).id;
  eve = (await enrolAlong(cloud.api, 'Eve', 8)).id;
  for (const id of ['banned', 'vip']) {
    await cloud.request({ method: 'POST', url: '/v1/groups', payload: { id, name: id, kind: 'watch-list' } });
  }
  await putInto(ada, ['banned']);
  await putInto(bob, ['banned', 'vip']);
  await putInto(eve, ['staff']);
});
afterAll(async () => {
  await device.connection.close();
  await cloud.stop();
});
// A camera of its own for each test: no cooldown from the one before.
beforeEach(() => {
  cameras += 1;
  cameraId = `cam-${cameras}`;
});

const putInto = (id: PersonId, groups: readonly string[]) =>
  cloud.request({ method: 'PATCH', url: `/v1/people/${id}`, payload: { groups } });

type Changes = Parameters<typeof sightingPayload>[0];

async function record(axisIndex: number | undefined, changes: Changes = {}, tilt = 0) {
  const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
  const templates = axisIndex === undefined ? [] : [wireTemplate(templateOf(axis(axisIndex, tilt), protector))];
  sequence += 1;
  return { sequence, payload: sightingPayload({ cameraId, templates, ...changes }) };
}

/** A revision of a sighting, committed. */
async function seen(axisIndex: number | undefined, changes: Changes = {}, tilt = 0): Promise<SightingId> {
  const sightingId = newSightingId();
  await device.send([await record(axisIndex, { sightingId, ...changes }, tilt)]);
  await device.acked(sequence);
  return (changes.sightingId ?? sightingId) as SightingId;
}

async function alertsOf(...sightings: readonly SightingId[]) {
  const rows = [];
  for (const sightingId of sightings) {
    const own = and(eq(alert.tenantId, TENANT), eq(alert.sightingId, sightingId));
    rows.push(...(await cloud.api.database.db.select().from(alert).where(own).orderBy(asc(alert.watchList))));
  }
  return rows;
}

describe('somebody on a watch-list', () => {
  it('raises one alert for each list, however often the sighting is sent and revised', async () => {
    const sightingId = newSightingId();
    const first = await record(1, { sightingId });
    await device.send([first]);
    await device.send([first, await record(1, { sightingId, revision: 2 })]);
    await device.send([{ ...first, replayed: true }, await record(1, { sightingId, revision: 3 })]);
    await device.acked(sequence);
    const alerts = await alertsOf(sightingId);
    expect(alerts.map(({ watchList }) => watchList)).toEqual(['banned', 'vip']);
    expect(alerts[0]).toMatchObject({
      ...{ kind: 'watch-list', personId: bob, revision: 1, siteId: 'lobby', deviceId: 'box-1', cameraId },
      ...{ late: false, retractedAt: null, score: expect.closeTo(1, 2) as number },
    });
  });

  it('raises none again at the same camera within the cooldown, and one elsewhere', async () => {
    const first = await seen(0);
    const again = await seen(0);
    const elsewhere = await seen(0, { cameraId: `${cameraId}-b` });
    expect((await alertsOf(first, again, elsewhere)).map(({ sightingId }) => sightingId)).toEqual([first, elsewhere]);
  });

  it('raises none who may not be matched for that', async () => {
    const url = `/v1/people/${ada}/consents`;
    const payload = { purpose: 'watch-list', legalBasis: 'consent' };
    const given = (await cloud.request({ method: 'POST', url, payload })).json<{ id: string }>();
    await cloud.request({ method: 'POST', url: `${url}/${given.id}/withdraw` });
    expect(await alertsOf(await seen(0))).toEqual([]);
    await cloud.request({ method: 'POST', url, payload });
    expect(await alertsOf(await seen(0))).toHaveLength(1);
  });

  it('who was seen an hour ago raises one that says so, and one of two days ago none', async () => {
    const hoursAgo = (hours: number) => {
      // Of a boot before, and by the box's clock.
      const moment = { ...momentAt(1, Date.now() - hours * 3_600_000), bootId: 'boot-0' };
      return { firstSeenAt: moment, lastSeenAt: moment };
    };
    const [late] = await alertsOf(await seen(0, hoursAgo(1)));
    expect(late).toMatchObject({ late: true });
    const ageMs = (late?.raisedAt.getTime() ?? 0) - (late?.occurredAt.getTime() ?? 0);
    expect(ageMs).toBeGreaterThan(3_590_000);
    expect(await alertsOf(await seen(0, hoursAgo(48)))).toEqual([]);
  });
});

describe('an alert', () => {
  it('is not raised of anybody else, unknown, ambiguous or refused', async () => {
    const others = [await seen(8), await seen(12), await seen(0, {}, 1), await seen(undefined)];
    expect(await alertsOf(...others)).toEqual([]);
  });

  it('is taken back by a revision that names somebody else or nobody, and not by one that says nothing', async () => {
    const sightingId = await seen(0);
    await seen(undefined, { sightingId, revision: 2 });
    expect(await alertsOf(sightingId)).toMatchObject([{ personId: ada, retraction: null }]);
    await seen(0, { sightingId, revision: 3 }, 1);
    expect(await alertsOf(sightingId)).toMatchObject([{ retraction: null }]);
    await seen(12, { sightingId, revision: 4 });
    expect(await alertsOf(sightingId)).toMatchObject([{ retraction: 'revised' }]);
    await seen(1, { sightingId, revision: 5 });
    const standing = (await alertsOf(sightingId)).filter(({ retraction }) => retraction === null);
    expect(standing).toMatchObject([
      { personId: bob, watchList: 'banned', revision: 5 },
      { personId: bob, watchList: 'vip' },
    ]);
  });

  it('is taken back by a review, and does not come again with a later revision', async () => {
    const sightingId = await seen(0);
    const url = `/v1/identifications/${sightingId}:1/review`;
    await cloud.request({ method: 'POST', url, payload: { verdict: 'not-this-person' } });
    expect(await alertsOf(sightingId)).toMatchObject([{ retraction: 'reviewed' }]);
    await seen(0, { sightingId, revision: 2 });
    expect(await alertsOf(sightingId)).toMatchObject([{ retraction: 'reviewed' }]);
  });
});
