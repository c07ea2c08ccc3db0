import { inTransaction } from '@sightline/database';
import type { PersonId, TenantId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { Retentions } from '../retention/retentions.js';
import { enrolPeople } from '../testing/enrol.js';
import { RELEASE_DIGEST, VARIANT } from '../testing/fake-release.js';
import { seedSightings, type SeededSighting } from '../testing/seed-sightings.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { startTestDevice } from '../testing/test-device.js';
import { readDistributions } from './distributions.js';
import { RollUps } from './roll-ups.js';
import type { Dimension, SeriesFilter } from './series.js';

let cloud: TestCloud;
let [ada, grace, mary]: PersonId[] = [];

beforeAll(async () => {
  cloud = await startTestCloud();
  for (const id of ['box-1', 'box-2']) await startTestDevice(cloud, id);
  const { ids } = await enrolPeople(
    cloud.api,
    ['Ada', 'Grace', 'Mary'].map((name) => ({ name })),
  );
  [ada, grace, mary] = ids;
});
afterAll(() => cloud.stop());
afterEach(async () => {
  expect(await setsThatDiffer()).toEqual([]);
});

const { signal } = new AbortController();
const rollUps = () => cloud.api.app.get(RollUps);
const execute = async <Row extends Record<string, unknown>>(query: ReturnType<typeof sql>) =>
  (await cloud.api.database.db.execute<Row>(query)).rows;
async function seed(...seeds: readonly SeededSighting[]) {
  const ids = await seedSightings(cloud.api.database.db, seeds);
  await rollUps().pass(signal);
  return ids;
}
const read = (from: string, to: string, by: readonly Dimension[] = [], filter: SeriesFilter = {}) =>
  readDistributions(cloud.api.database, { tenantId: TENANT, from: new Date(from), to: new Date(to), by, ...filter });
/** Identified, ambiguous, unknown and refused of a day. */
async function countsOf(day: string) {
  const [row] = await read(`${day}T00:00:00Z`, `${day}T23:59:00Z`);
  return row && [row.identified, row.ambiguous, row.unknown, row.refused];
}
async function bitsOf(personId: PersonId | undefined, day: string) {
  const rows = await execute<{ quarters: string }>(sql`
    SELECT quarters::text FROM cloud.analytics_person_day
    WHERE tenant_id = ${TENANT} AND person_id = ${personId} AND day = ${`${day}T00:00:00Z`}::timestamptz`);
  const [row] = rows;
  return row?.quarters.split('').flatMap((bit, index) => (bit === '1' ? [index] : []));
}
/** People who are in the set of a day and site and were not seen there, or the other way round. */
const setsThatDiffer = () =>
  execute(sql`
    SELECT * FROM (
      SELECT tenant_id, day, site_id, number FROM cloud.analytics_person_day
        JOIN cloud.analytics_person USING (tenant_id, person_id)) AS seen
    FULL JOIN (
      SELECT tenant_id, day, site_id, 4096 * block + bit AS number
      FROM cloud.analytics_people_day, generate_series(0, 4095) AS bit WHERE get_bit(people, bit) = 1) AS counted
      USING (tenant_id, day, site_id, number)
    WHERE seen.number IS NULL OR counted.number IS NULL`);
const bin = (index: number, bins: number, count = 1) =>
  Array.from({ length: bins }, (_, at) => (at === index ? count : 0));

describe('the roll-up', () => {
  it('counts by camera, release and variant, with outcomes, time in view and histograms', async () => {
    await seed(
      { at: '2031-03-01T09:10:00Z', personId: ada, score: 0.7, quality: 0.99, seconds: 12 },
      { at: '2031-03-01T09:59:59.9Z', outcome: 'unknown', score: 0.31, quality: 0.5, seconds: 0 },
      { at: '2031-03-01T09:30:00Z', outcome: 'refused', score: null, probeVariant: null, quality: 0.01 },
      { at: '2031-03-01T10:00:00Z', outcome: 'ambiguous', score: 1.2, cameraId: 'gate', quality: 1 },
    );
    const rows = await read('2031-03-01T00:00:00Z', '2031-03-02T00:00:00Z', undefined);
    expect(rows).toHaveLength(1);
    const apart = await readDistributions(cloud.api.database, {
      tenantId: TENANT,
      from: new Date('2031-03-01T09:00:00Z'),
      to: new Date('2031-03-01T11:00:00Z'),
    });
    const series = { siteId: 'lobby', deviceId: 'box-1', releaseDigest: RELEASE_DIGEST };
    expect(apart).toEqual([
      expect.objectContaining({ ...series, cameraId: 'door', variantDigest: null, refused: 1, qualities: bin(0, 20) }),
      {
        ...{ ...series, cameraId: 'door', variantDigest: VARIANT },
        ...{ identified: 1, ambiguous: 0, unknown: 1, refused: 0, dwellMs: 12_000 },
        ...{ identifiedScores: bin(17, 25), otherScores: bin(7, 25) },
        qualities: bin(10, 20).map((count, index) => (index === 19 ? 1 : count)),
        dwells: bin(0, 12).map((count, index) => (index === 4 ? 1 : count)),
      },
      expect.objectContaining({ cameraId: 'gate', ambiguous: 1, otherScores: bin(24, 25), qualities: bin(19, 20) }),
    ]);
    const [row] = await execute<{ counts: number[]; dwell: string[] }>(sql`
      SELECT quarter_counts AS counts, quarter_dwell_ms AS dwell FROM cloud.analytics_hour
      WHERE hour = '2031-03-01T09:00:00Z' AND identified = 1`);
    expect(row).toEqual({ counts: [1, 0, 0, 0, ...bin(10, 12)], dwell: ['12000', '0', '0', '0'] });
    expect(await bitsOf(ada, '2031-03-01')).toEqual([36]);
  });

  it('counts a sighting once, as its highest revision is, whatever order revisions come in', async () => {
    const at = '2031-03-02T09:00:00Z';
    const [id] = await seed({ at, personId: ada, seconds: 1 }, { at, outcome: 'unknown', cameraId: 'gate' });
    await seed({ ...{ id, at, personId: grace, revision: 3, cameraId: 'yard' } });
    await seed({ ...{ id, at, outcome: 'unknown', revision: 2, cameraId: 'door' } });
    expect(await countsOf('2031-03-02')).toEqual([1, 0, 1, 0]);
    const cameras = await read(at, '2031-03-03T00:00:00Z', ['camera']);
    expect(cameras.map(({ cameraId }) => cameraId)).toEqual(['gate', 'yard']);
    expect([await bitsOf(ada, '2031-03-02'), await bitsOf(grace, '2031-03-02')]).toEqual([undefined, [36]]);
  });

  it('counts what comes late, and what a box sends again, once', async () => {
    const [id] = await seed({ at: '2031-03-03T23:59:59Z' });
    await seed({ at: '2031-03-03T00:00:00Z', deviceId: 'box-2' });
    await seedSightings(cloud.api.database.db, [{ at: '2031-03-04T12:00:00Z' }]);
    await execute(sql`UPDATE cloud.sighting SET frames = 6 WHERE id = ${id}`);
    await rollUps().pass(signal);
    await rollUps().pass(signal);
    expect([await countsOf('2031-03-03'), await countsOf('2031-03-04')]).toEqual([
      [0, 0, 2, 0],
      [0, 0, 1, 0],
    ]);
  });

  it('loses nothing that is committed while it runs', async () => {
    await seed({ at: '2031-03-05T08:00:00Z' });
    await inTransaction(cloud.api.database, async (tx) => {
      // Stored, and not yet committed when the run takes the other one up.
      await seedSightings(tx, [{ at: '2031-03-05T08:01:00Z' }]);
      await seed({ at: '2031-03-05T08:02:00Z' });
      expect(await countsOf('2031-03-05')).toEqual([0, 0, 2, 0]);
    });
    await rollUps().pass(signal);
    expect(await countsOf('2031-03-05')).toEqual([0, 0, 3, 0]);
  });

  it('is safe in two processes at once', async () => {
    const seeds = Array.from({ length: 30 }, (_, index) => ({
      at: new Date(Date.UTC(2031, 2, 6, 0, 10 * index)).toISOString(),
      deviceId: index % 2 === 0 ? 'box-1' : 'box-2',
    }));
    for (let start = 0; start < seeds.length; start += 5) {
      await seedSightings(cloud.api.database.db, seeds.slice(start, start + 5));
      await Promise.all([rollUps().pass(signal), rollUps().pass(signal)]);
    }
    await rollUps().pass(signal);
    expect(await countsOf('2031-03-06')).toEqual([0, 0, 30, 0]);
  });

  it('counts a backlog of many days in parts, each day whole', async () => {
    const at = (day: number, hour: number) => new Date(Date.UTC(2031, 3, day, hour, 20)).toISOString();
    // 24, 14, 14, 14 and 1 hours: two of the days fit into one transaction at most.
    const hours = [24, 14, 14, 14, 1].flatMap((count, day) =>
      Array.from({ length: count }, (_, hour) => at(day + 1, hour)),
    );
    await seedSightings(
      cloud.api.database.db,
      hours.map((time) => ({ at: time, personId: ada })),
    );
    expect(await rollUps().pass(signal)).toBe(hours.length);
    expect(await Promise.all([1, 2, 3, 4, 5].map((day) => countsOf(`2031-04-0${day}`)))).toEqual(
      [24, 14, 14, 14, 1].map((count) => [count, 0, 0, 0]),
    );
    expect(await bitsOf(ada, '2031-04-01')).toEqual(Array.from({ length: 24 }, (_, hour) => 4 * hour + 1));
    expect(await bitsOf(ada, '2031-04-05')).toEqual([1]);
    expect(await rollUps().pass(signal)).toBe(0);
  });

  it('keeps tenants apart', async () => {
    await execute(sql`INSERT INTO cloud.tenant (id, created_at) VALUES ('other', now())`);
    await execute(sql`
      INSERT INTO cloud.device (tenant_id, id, site_id, password_sha256, created_at)
      VALUES ('other', 'box-1', 'lobby', '', now())`);
    await seed({ at: '2031-03-07T00:00:00Z', tenantId: 'other' as TenantId });
    expect(await countsOf('2031-03-07')).toBeUndefined();
  });

  it('is the same when it is built anew', async () => {
    const rows = () => execute(sql`SELECT * FROM cloud.analytics_hour ORDER BY tenant_id, hour, series_id`);
    const before = await rows();
    await execute(
      sql`UPDATE cloud.analytics_hour SET unknown = unknown + 1, identified_scores = '{}' WHERE tenant_id = ${TENANT}`,
    );
    await rollUps().rebuild(TENANT);
    await rollUps().pass(signal);
    expect(await rows()).toEqual(before);
  });

  it('forgets whoever is erased, and the count stays', async () => {
    await seed({ at: '2031-03-08T01:00:00Z', personId: mary });
    expect(await bitsOf(mary, '2031-03-08')).toEqual([4]);
    await cloud.request({ method: 'DELETE', url: `/v1/people/${mary}` });
    expect(await bitsOf(mary, '2031-03-08')).toBeUndefined();
    await rollUps().rebuild(TENANT);
    await rollUps().pass(signal);
    expect([await countsOf('2031-03-08'), await bitsOf(mary, '2031-03-08')]).toEqual([[1, 0, 0, 0], undefined]);
  });
});

describe('figures of sightings that have expired', () => {
  const day = new Date(Date.now() - 100 * 86_400_000).toISOString().slice(0, 10);

  it('stay as they were, without people', async () => {
    await seed(
      { at: `${day}T05:00:00Z`, personId: ada },
      { at: `${day}T05:20:00Z`, personId: grace },
      { at: `${day}T05:30:00Z` },
    );
    await cloud.api.app.get(Retentions).pass(signal);
    expect(await execute(sql`SELECT FROM cloud.sighting WHERE first_seen_at::date = ${day}`)).toEqual([]);
    await rollUps().rebuild(TENANT);
    await rollUps().pass(signal);
    expect([await countsOf(day), await bitsOf(ada, day)]).toEqual([[2, 0, 1, 0], undefined]);
  });

  it('do not shrink when a sighting comes later still, and those of another box are counted', async () => {
    await seed({ at: `${day}T05:40:00Z` }, { at: `${day}T05:50:00Z`, deviceId: 'box-2' });
    expect(await countsOf(day)).toEqual([2, 0, 2, 0]);
    await cloud.api.app.get(Retentions).pass(signal);
    expect(await countsOf(day)).toEqual([2, 0, 2, 0]);
  });

  it('count what expires before its first count', async () => {
    await seedSightings(cloud.api.database.db, [{ at: `${day}T07:00:00Z`, deviceId: 'box-2' }]);
    await cloud.api.app.get(Retentions).pass(signal);
    expect(await countsOf(day)).toEqual([2, 0, 3, 0]);
  });
});
