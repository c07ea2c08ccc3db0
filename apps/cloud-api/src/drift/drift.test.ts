import type { rest } from '@sightline/contracts';
import { systemClock, type Clock } from '@sightline/kernel';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { DriftWatching } from './drift-watching.js';

const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;
const [RELEASE, VARIANT] = ['cd'.repeat(32), 'ab'.repeat(32)];

/** Begins in the middle of an hour, and goes on as the test says. */
let nowMs = Date.parse('2026-03-02T00:30:00Z');
const clock: Clock = {
  wallMs: () => nowMs,
  monotonicMs: () => systemClock.monotonicMs(),
  sleep: (ms, signal) => systemClock.sleep(ms, signal),
};

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud({ clock });
  await cloud.request({ method: 'POST', url: '/v1/devices', payload: { id: 'box-1', siteId: 'lobby' } });
  await cloud.request({ method: 'PUT', url: '/v1/drift-policy', payload: { baselineSightings: 1000 } });
});
afterAll(() => cloud.stop());

const execute = (query: ReturnType<typeof sql>) => cloud.api.database.db.execute(query);

/** Counts of a triangle around a bin: ten sightings an hour. */
function around(bins: number, middle: number): number[] {
  const counts = Array<number>(bins).fill(0);
  for (const [apart, count] of [
    [-1, 3],
    [0, 4],
    [1, 3],
  ] as const)
    counts[middle + apart] = count;
  return counts;
}

interface Seen {
  readonly cameraId?: string;
  readonly release?: string;
  /** The bin in the middle, of 20. */
  readonly quality?: number;
}

/** Lets hours pass in which a camera sees ten people each, as the roll-up of analytics would count them. */
async function live(hours: number, { cameraId = 'door', release = RELEASE, quality = 14 }: Seen = {}): Promise<void> {
  await execute(sql`
    INSERT INTO cloud.analytics_series (tenant_id, site_id, device_id, camera_id, release_digest, variant_digest)
    VALUES (${TENANT}, 'lobby', 'box-1', ${cameraId}, ${release}, ${VARIANT}) ON CONFLICT DO NOTHING`);
  const first = new Date(Math.floor(nowMs / HOUR_MS) * HOUR_MS);
  await execute(sql`
    INSERT INTO cloud.analytics_hour (tenant_id, hour, series_id, identified, ambiguous, unknown, refused, dwell_ms,
      quarter_counts, quarter_dwell_ms, identified_scores, other_scores, qualities, dwells)
    SELECT ${TENANT}, ${first}::timestamptz + n * interval '1 hour', id, 10, 0, 10, 0, 0, '{}', '{}',
      ${sql.param(around(25, 18))}::integer[], ${sql.param(around(25, 4))}::integer[],
      ${sql.param(around(20, quality))}::integer[], '{}'
    FROM cloud.analytics_series, generate_series(0, ${hours - 1}) AS n
    WHERE camera_id = ${cameraId} AND release_digest = ${release}`);
  nowMs += hours * HOUR_MS;
}

const pass = () => cloud.api.app.get(DriftWatching).pass(new AbortController().signal);
const list = async (query = '') => (await cloud.request({ url: `/v1/drift${query}` })).json<rest.DriftPage>().items;
const watch = async (cameraId = 'door') => (await list()).find((one) => one.cameraId === cameraId);
const alerts = async () =>
  (
    await execute(sql`SELECT details ->> 'state' AS state, camera_id AS camera, site_id AS site FROM cloud.alert
      WHERE kind = 'drift' ORDER BY raised_at, dedupe_key`)
  ).rows;
const setBaseline = (payload: object) => cloud.request({ method: 'POST', url: '/v1/drift/baselines', payload });

describe('a camera', () => {
  it('is watched from its first sightings on, which are its baseline', async () => {
    await live(60);
    expect(await pass()).toEqual([]);
    expect(await watch()).toMatchObject({
      ...{ deviceId: 'box-1', cameraId: 'door', siteId: 'lobby', releaseDigest: RELEASE, variantDigest: VARIANT },
      ...{ state: 'collecting', last: null, driftingSince: null },
      baseline: { origin: 'first-sightings', from: '2026-03-02T00:00:00.000Z', until: null, sightings: 600 },
    });
    await live(60);
    await pass();
    // Of the 1,200 the first 1,000, which the hours after do not change.
    const baseline = { until: '2026-03-06T04:00:00.000Z', sightings: 1000 };
    expect(await watch()).toMatchObject({ state: 'watching', baseline });
    await live(30);
    await pass();
    expect(await watch()).toMatchObject({ baseline });
  });

  it('that sees what it saw is as before', async () => {
    await live(3 * DAY_HOURS);
    expect(await pass()).toEqual([]);
    const found = await watch();
    expect(found?.state).toBe('watching');
    expect(found?.last?.windowFrom).toBe('2026-03-06T04:00:00.000Z'); // none of the baseline's hours
    expect(found?.last?.measures.map(({ measure, verdict }) => [measure, verdict])).toEqual([
      ['identified-score', 'stable'],
      ['other-score', 'stable'],
      ['quality', 'stable'],
    ]);
    expect(await alerts()).toEqual([]);
  });

  it('is compared every six hours, and not more often', async () => {
    const before = await watch();
    nowMs += HOUR_MS;
    await pass();
    expect((await watch())?.last?.comparedAt).toBe(before?.last?.comparedAt);
  });

  it('whose quality falls raises one alert, and one when it is over', async () => {
    await live(3 * DAY_HOURS, { quality: 9 });
    expect(await pass()).toEqual([{ tenantId: TENANT, siteId: 'lobby', since: expect.any(Date) as Date }]);
    const [found] = await list('?drifting=true');
    expect(found).toMatchObject({ state: 'drifting', cameraId: 'door' });
    expect(found?.last?.measures.at(-1)).toMatchObject({ measure: 'quality', verdict: 'drifted', alertIndex: 0.25 });
    await live(12, { quality: 9 });
    expect(await pass()).toHaveLength(1);
    expect(await alerts()).toEqual([{ state: 'begun', camera: 'door', site: 'lobby' }]);
    // Between the bars the episode goes on.
    await live(5 * DAY_HOURS);
    await pass();
    expect((await watch())?.state).toBe('drifting');
    await live(3 * DAY_HOURS);
    await pass();
    expect((await watch())?.state).toBe('watching');
    expect((await alerts()).map(({ state }) => state)).toEqual(['begun', 'over']);
    expect(await list('?drifting=true')).toEqual([]);
  });

  it('with few sightings says nothing', async () => {
    await execute(sql`DELETE FROM cloud.analytics_hour WHERE hour > ${new Date(nowMs - 200 * HOUR_MS)}`);
    await live(12, { quality: 4 });
    await pass();
    expect((await watch())?.last?.measures.at(-1)).toMatchObject({ verdict: 'too-few', samples: 120, index: null });
    expect((await watch())?.state).toBe('watching');
    expect((await setBaseline({ deviceId: 'box-1', cameraId: 'door', from: 'present' })).json()).toMatchObject({
      code: 'DRIFT.TOO_FEW_SIGHTINGS',
    });
  });

  it('whose present somebody accepts does not drift any more', async () => {
    await live(3 * DAY_HOURS, { quality: 4 });
    expect(await pass()).toHaveLength(1);
    const answer = await setBaseline({ deviceId: 'box-1', cameraId: 'door', from: 'present' });
    expect(answer.json<rest.DriftBaselines>().watches).toMatchObject([
      { state: 'watching', baseline: { origin: 'accepted', sightings: 840 } },
    ]);
    expect((await alerts()).map(({ state }) => state)).toEqual(['begun', 'over', 'begun', 'over']);
    await live(3 * DAY_HOURS, { quality: 4 });
    expect(await pass()).toEqual([]);
    expect((await watch())?.last?.measures.at(-1)?.verdict).toBe('stable');
    expect((await watch())?.state).toBe('watching');
  });

  it('collects another baseline where it is told to', async () => {
    const answer = await setBaseline({ deviceId: 'box-1', cameraId: 'door', from: 'now-on' });
    expect(answer.json<rest.DriftBaselines>().watches).toMatchObject([
      { state: 'collecting', baseline: { origin: 'collected-anew', until: null, sightings: 0 } },
    ]);
    expect((await setBaseline({ deviceId: 'box-1', cameraId: 'attic', from: 'now-on' })).json()).toMatchObject({
      code: 'DRIFT.NOT_WATCHED',
    });
    const { rows } = await execute(sql`SELECT action, subject_id AS id FROM cloud.audit_entry
      WHERE action LIKE 'drift-baseline.%' ORDER BY sequence`);
    expect(rows).toEqual([
      { action: 'drift-baseline.present', id: 'box-1' },
      { action: 'drift-baseline.now-on', id: 'box-1' },
    ]);
  });

  it('is watched anew with another release, and what nothing is seen of any more does not drift', async () => {
    await live(120, { cameraId: 'gate' });
    await pass();
    await live(5 * DAY_HOURS, { cameraId: 'gate', quality: 3 });
    await pass();
    expect((await watch('gate'))?.state).toBe('drifting');
    await live(8 * DAY_HOURS, { cameraId: 'gate', quality: 3, release: 'ef'.repeat(32) });
    await pass();
    const gates = (await list()).filter(({ cameraId }) => cameraId === 'gate');
    expect(gates.map(({ state, releaseDigest }) => [state, releaseDigest.slice(0, 2)])).toEqual([
      ['watching', 'ef'],
      ['watching', 'cd'],
    ]);
  });

  it('shows every comparison, page by page', async () => {
    const read = async (query: string) =>
      (await cloud.request({ url: `/v1/drift/box-1${query}` })).json<rest.DeviceDrift>();
    const all = await read('?limit=100');
    expect(all.watches).toHaveLength(3);
    expect(all.items.length).toBeGreaterThan(8);
    const first = await read('?limit=3');
    const second = await read(`?limit=3&cursor=${first.nextCursor}`);
    expect([...first.items, ...second.items]).toEqual(all.items.slice(0, 6));
    expect((await cloud.request({ url: '/v1/drift/nobody' })).json()).toMatchObject({ code: 'DEVICE.NOT_FOUND' });
  });
});

describe('the policy', () => {
  it('has defaults, and refuses bars in the wrong order', async () => {
    const put = (payload: object) => cloud.request({ method: 'PUT', url: '/v1/drift-policy', payload });
    expect((await put({ windowHours: 336 })).json()).toMatchObject({ windowHours: 336, alertIndex: 0.25 });
    expect((await put({ alertIndex: 0.05 })).json()).toMatchObject({ code: 'REQUEST.INVALID' });
    expect((await cloud.request({ url: '/v1/drift-policy' })).json()).toMatchObject({ windowHours: 336 });
  });
});
