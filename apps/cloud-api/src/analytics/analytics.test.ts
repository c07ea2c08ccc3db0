import type { rest } from '@sightline/contracts';
import type { PersonId } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { enrolPeople } from '../testing/enrol.js';
import { RELEASE_DIGEST, VARIANT } from '../testing/fake-release.js';
import { seedSightings, type SeededSighting } from '../testing/seed-sightings.js';
import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { startTestDevice } from '../testing/test-device.js';
import { RollUps } from './roll-ups.js';

let cloud: TestCloud;
let [ada, grace]: PersonId[] = [];
const { signal } = new AbortController();

/** Days of the future, which no retention reaches. On 26 October 2031 clocks go back in Berlin, on 30 March forward. */
beforeAll(async () => {
  cloud = await startTestCloud();
  for (const id of ['box-1', 'box-2']) await startTestDevice(cloud, id);
  const { ids } = await enrolPeople(
    cloud.api,
    ['Ada', 'Grace'].map((name) => ({ name })),
  );
  [ada, grace] = ids;
  await seed(
    // By Berlin's clock 23:30 of 24 October, and 00:10 of the 25th.
    { at: '2031-10-24T21:30:00Z', personId: ada, seconds: 10 },
    { at: '2031-10-24T22:10:00Z', personId: ada, seconds: 20 },
    { at: '2031-10-25T18:40:00Z', personId: grace, deviceId: 'box-2', siteId: 'gate', cameraId: '=1+1' },
    { at: '2031-10-25T18:45:00Z', outcome: 'unknown', deviceId: 'box-2', siteId: 'gate', cameraId: '=1+1' },
    // 02:30, twice.
    { at: '2031-10-26T00:30:00Z', outcome: 'ambiguous' },
    { at: '2031-10-26T01:30:00Z', outcome: 'refused', probeVariant: null, score: null },
  );
});
afterAll(() => cloud.stop());

async function seed(...seeds: readonly SeededSighting[]): Promise<void> {
  await seedSightings(cloud.api.database.db, seeds);
  await cloud.api.app.get(RollUps).pass(signal);
}
const ask = (path: string, query: Record<string, string>) =>
  cloud.request({ url: `/v1/analytics/${path}?${new URLSearchParams(query).toString()}` });
async function get<Answer>(path: string, query: Record<string, string>): Promise<Answer> {
  const response = await ask(path, query);
  expect([response.statusCode, response.body.slice(0, 300)]).toEqual([200, expect.any(String)]);
  return response.json<Answer>();
}
const days = { from: '2031-10-24', to: '2031-10-26' };
const berlin = { ...days, timeZone: 'Europe/Berlin' };
const traffic = async (query: Record<string, string>) => (await get<rest.TrafficPage>('traffic', query)).items;

describe('the figures of a range', () => {
  it('are counted by outcome; the unknown rate is of those that were compared', async () => {
    const summary = await get<rest.AnalyticsSummary>('summary', days);
    expect(summary).toMatchObject({ sightings: 6, identified: 3, ambiguous: 1, unknown: 1, refused: 1 });
    expect(summary).toMatchObject({ unknownRate: 0.2, dwellSeconds: 46, dwell: { meanSeconds: 46 / 6 } });
    expect(summary.dwell?.medianSeconds).toBeGreaterThan(2);
    expect(summary.dwell?.p90Seconds).toBeLessThanOrEqual(30);
    expect(summary.medianQuality).toBeCloseTo(0.825, 2);
    expect(Date.now() - Date.parse(summary.rolledUpTo)).toBeLessThan(60_000);
  });

  it('are nothing where nobody was seen', async () => {
    const empty = { from: '2031-01-01', to: '2031-01-02' };
    expect(await get('summary', empty)).toMatchObject({
      sightings: 0,
      unknownRate: null,
      dwell: null,
      medianQuality: null,
    });
    expect(await get('people', empty)).toMatchObject({ people: 0, sites: [] });
    expect(await get('occupancy', { ...empty, siteId: 'lobby' })).toMatchObject({ items: [] });
    expect(await get('distributions', { ...empty, by: 'camera' })).toMatchObject({ items: [], nextCursor: null });
  });

  it.each<[Record<string, string>, number]>([
    [{ siteId: 'gate' }, 2],
    [{ deviceId: 'box-1' }, 4],
    [{ cameraId: '=1+1' }, 2],
    [{ releaseDigest: RELEASE_DIGEST }, 6],
    [{ variantDigest: VARIANT }, 5],
    [{ siteId: 'gate', deviceId: 'box-1' }, 0],
  ])('are filtered: %o', async (filter, sightings) => {
    expect(await get('summary', { ...days, ...filter })).toMatchObject({ sightings });
  });

  it('say how far they are', async () => {
    const before = Date.now();
    await seedSightings(cloud.api.database.db, [{ at: '2031-12-01T00:00:00Z' }]);
    const { rolledUpTo } = await get<rest.AnalyticsSummary>('summary', days);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await cloud.api.app.get(RollUps).pass(signal);
    const after = await get<rest.AnalyticsSummary>('summary', days);
    expect(Date.parse(rolledUpTo)).toBeGreaterThanOrEqual(before - 1000);
    expect(Date.parse(after.rolledUpTo)).toBeGreaterThan(Date.parse(rolledUpTo));
  });

  it.each([
    { from: '2031-10-26', to: '2031-10-24' },
    { from: '2031-01-01', to: '2033-01-01' },
    { ...days, timeZone: 'Mars/Olympus' },
    { ...days, site: 'gate' },
    { from: '2031-10-24' },
  ])('are refused for %o', async (query) => {
    expect((await ask('summary', query as Record<string, string>)).json()).toMatchObject({ code: 'REQUEST.INVALID' });
  });
});

describe('traffic', () => {
  it('is of the days of a time zone', async () => {
    const rows = await traffic(berlin);
    expect(rows.map(({ localStart, sightings }) => [localStart, sightings])).toEqual([
      ['2031-10-24T00:00:00+02:00', 1],
      ['2031-10-25T00:00:00+02:00', 3],
      ['2031-10-26T00:00:00+02:00', 2],
    ]);
    expect((await traffic(days)).map(({ start, sightings }) => [start, sightings])).toEqual([
      ['2031-10-24T00:00:00.000Z', 2],
      ['2031-10-25T00:00:00.000Z', 2],
      ['2031-10-26T00:00:00.000Z', 2],
    ]);
  });

  it('has the hour twice that clocks go through twice', async () => {
    const rows = await traffic({ ...berlin, from: '2031-10-26', per: 'hour' });
    expect(rows.map(({ localStart, sightings }) => [localStart, sightings])).toEqual([
      ['2031-10-26T02:00:00+02:00', 1],
      ['2031-10-26T02:00:00+01:00', 1],
    ]);
  });

  it('is right to the quarter where hours begin at another minute', async () => {
    // Of Ada, 03:15 and 03:55 of 25 October.
    const nepal = { ...days, timeZone: 'Asia/Kathmandu' };
    expect(
      (await traffic({ ...nepal, per: 'hour', to: '2031-10-25' })).map((row) => [row.localStart, row.sightings]),
    ).toEqual([['2031-10-25T03:00:00+05:45', 2]]);
    const rows = await traffic({ ...nepal, per: 'day' });
    expect(rows.map(({ localStart, sightings, dwellSeconds }) => [localStart, sightings, dwellSeconds])).toEqual([
      ['2031-10-25T00:00:00+05:45', 2, 30],
      ['2031-10-26T00:00:00+05:45', 4, 16],
    ]);
    expect(await get('people', { from: '2031-10-25', to: '2031-10-25', timeZone: 'Asia/Kathmandu' })).toMatchObject({
      people: 1,
    });
  });

  it('is counted apart by what is asked for, and paged in that order', async () => {
    const rows = await traffic({ ...days, by: 'camera', per: 'range' });
    expect(rows).toEqual([
      expect.objectContaining({ deviceId: 'box-1', cameraId: 'door', siteId: null, sightings: 4 }),
      expect.objectContaining({ deviceId: 'box-2', cameraId: '=1+1', unknownRate: 0.5, sightings: 2 }),
    ]);
    const paged: rest.TrafficRow[] = [];
    let cursor: string | null = null;
    do {
      const query: Record<string, string> = { ...days, by: 'device', limit: '1', ...(cursor !== null && { cursor }) };
      const page = await get<rest.TrafficPage>('traffic', query);
      paged.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(paged).toEqual(await traffic({ ...days, by: 'device' }));
    expect(paged).toHaveLength(3);
    const variants = await traffic({ ...days, by: 'variant', per: 'range' });
    expect(variants.map(({ variantDigest, sightings }) => [variantDigest, sightings])).toEqual([
      [null, 1],
      [VARIANT, 5],
    ]);
  });

  it('refuses a cursor of another list, and too many hours', async () => {
    const page = await get<rest.TrafficPage>('traffic', { ...days, limit: '1' });
    const cursor = page.nextCursor ?? '';
    expect((await ask('traffic', { ...days, by: 'site', cursor })).json()).toMatchObject({ code: 'REQUEST.INVALID' });
    expect((await ask('traffic', { ...days, from: '2031-10-25', cursor })).json()).toMatchObject({ status: 400 });
    const query = { from: '2031-01-01', to: '2031-03-01', per: 'hour' };
    expect((await ask('traffic', query)).json()).toMatchObject({ code: 'REQUEST.INVALID' });
  });

  it('is a table too, in which no name of a camera is a formula', async () => {
    const response = await ask('traffic.csv', { ...days, by: 'camera', per: 'range' });
    expect(response.headers['content-type']).toBe('text/csv; charset=utf-8');
    const [head, ...lines] = response.body.trim().split('\n');
    expect(head).toMatch(/^start,localStart,siteId,deviceId,cameraId,.*,unknownRate,dwellSeconds$/);
    expect(lines[1]).toContain(`,,box-2,'=1+1,,,2,1,0,1,0,0.5,8`);
    expect((await ask('traffic.csv', { from: '2031-01-01', to: '2031-01-02' })).body.trim()).toBe(head);
  });
});

describe('people', () => {
  it('are counted once, however often and wherever they were seen', async () => {
    expect(await get('people', berlin)).toMatchObject({
      people: 2,
      sites: [
        { siteId: 'gate', people: 1 },
        { siteId: 'lobby', people: 1 },
      ],
    });
    expect(await get('people', { ...berlin, siteId: 'gate' })).toMatchObject({ people: 1 });
    expect(await get('people', { ...berlin, to: '2031-10-24' })).toMatchObject({ people: 1 });
    expect(await get('people', days)).toMatchObject({ people: 2, sites: [{ people: 1 }, { people: 1 }] });
  });

  it('are shown by hour and by day of a site, with the minutes in view', async () => {
    const { items } = await get<rest.Occupancy>('occupancy', { ...berlin, siteId: 'lobby', to: '2031-10-25' });
    expect(items).toEqual([
      expect.objectContaining({ localStart: '2031-10-24T23:00:00+02:00', people: 1, minutesInView: 1 / 6, unknown: 0 }),
      expect.objectContaining({ localStart: '2031-10-25T00:00:00+02:00', people: 1, minutesInView: 1 / 3 }),
    ]);
    const byDay = await get<rest.Occupancy>('occupancy', { ...days, siteId: 'gate', per: 'day' });
    expect(byDay.items).toEqual([expect.objectContaining({ people: 1, sightings: 2, unknown: 1 })]);
    expect((await ask('occupancy.csv', { ...days, siteId: 'gate' })).body.split('\n')).toHaveLength(3);
  });

  it('who turned out to be one are one, and two again once that is undone', async () => {
    const response = await cloud.request({
      method: 'POST',
      url: `/v1/people/${ada}/merge`,
      payload: { from: grace },
    });
    expect(response.statusCode).toBe(200);
    expect(await get('people', berlin)).toMatchObject({ people: 1 });
    // Each at a site of their own: the one who stays counts at both, and once over all.
    expect(await get('people', days)).toMatchObject({ people: 1, sites: [{ people: 1 }, { people: 1 }] });
    await cloud.api.app.get(RollUps).rebuild(cloud.config.tenantId);
    await cloud.api.app.get(RollUps).pass(signal);
    expect(await get('people', berlin)).toMatchObject({ people: 1 });
    const { id } = response.json<rest.Merge>();
    await cloud.request({ method: 'POST', url: `/v1/merges/${id}/undo` });
    await cloud.api.app.get(RollUps).pass(signal);
    expect(await get('people', berlin)).toMatchObject({ people: 2, sites: [{ people: 1 }, { people: 1 }] });
  });
});

describe('distributions', () => {
  it('have a count for each bin, and a line in the table', async () => {
    const page = await get<rest.DistributionsPage>('distributions', { ...berlin, by: 'site' });
    expect(page.items.map(({ siteId, sightings }) => [siteId, sightings])).toEqual([
      ['gate', 2],
      ['lobby', 4],
    ]);
    const [gate] = page.items;
    expect(gate?.otherScores).toHaveLength(page.bins.scores.length + 1);
    expect([gate?.otherScores[7], gate?.identifiedScores[7], gate?.dwells[2]]).toEqual([1, 1, 2]);
    const first = await get<rest.DistributionsPage>('distributions', { ...berlin, by: 'site', limit: '1' });
    const query = { ...berlin, by: 'site', limit: '1', cursor: first.nextCursor ?? '' };
    expect((await get<rest.DistributionsPage>('distributions', query)).items).toEqual(page.items.slice(1));
    const lines = (await ask('distributions.csv', berlin)).body.trim().split('\n');
    expect(lines).toHaveLength(1 + 25 + 25 + 20 + 12);
  });
});

describe('a rebuild', () => {
  it('is for admins, and says what it will count', async () => {
    const response = await cloud.request({ method: 'POST', url: '/v1/analytics/rebuild' });
    expect([response.statusCode, response.json()]).toEqual([202, { hours: 6 }]);
  });
});
