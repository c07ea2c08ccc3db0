import type { rest } from '@sightline/contracts';
import { newPersonId, seededIntegers, type PersonId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { enrolPeople } from '../testing/enrol.js';
import { storeSightings, type StoredSighting } from '../testing/stored-sightings.js';
import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';
import { startTestDevice } from '../testing/test-device.js';

const MINUTE_MS = 60_000;
const ENROLLED = new Date('2024-01-01T00:00:00Z');

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
  await startTestDevice(cloud, 'box-1');
  await send('PUT', '/v1/retention', { sightings: null, identifications: null });
});
afterAll(() => cloud.stop());

async function enrol(name: string, group?: string): Promise<PersonId> {
  const { ids } = await enrolPeople(cloud.api, [{ name, createdAt: ENROLLED }]);
  const [id] = ids;
  if (id === undefined) throw new Error('nobody was enrolled');
  if (group !== undefined) await send('PATCH', `/v1/people/${id}`, { groups: [group] });
  return id;
}
const send = (method: 'PATCH' | 'POST' | 'PUT', url: string, payload: object) =>
  cloud.request({ method, url, payload });
const ask = (query: Record<string, string>) =>
  cloud.request({ url: `/v1/attendance?${new URLSearchParams(query).toString()}` });
const report = async (query: Record<string, string>) => (await ask(query)).json<rest.AttendancePage>().items;
const see = (...sightings: readonly StoredSighting[]) => storeSightings(cloud.api, sightings);
const at = (time: string) => new Date(`2024-${time}:00Z`);
const review = (id: string, verdict: string, personId?: string) =>
  send('POST', `/v1/identifications/${id}:1/review`, { verdict, personId });

describe('attendance', () => {
  it('is the first and the last sight of each day, with the stays in between', async () => {
    const personId = await enrol('Ada');
    await see(
      { personId, from: at('02-02T08:00'), to: at('02-02T08:10'), site: 'gate', camera: 'in' },
      { personId, from: at('02-02T08:40'), to: at('02-02T08:41'), site: 'office' },
      { personId, from: at('02-02T08:05'), to: at('02-02T08:06') },
      { personId, from: at('02-02T09:12'), to: at('02-02T09:13'), site: 'gate', camera: 'out' },
      { personId, from: at('02-03T07:00'), to: at('02-03T07:01') },
      { from: at('02-02T10:00') },
    );
    const days = await report({ from: '2024-02-01', to: '2024-02-28', personId });
    expect(days).toEqual([
      {
        day: '2024-02-02',
        person: { id: personId, name: 'Ada', externalId: null },
        present: true,
        firstSeen: { at: '2024-02-02T08:00:00.000Z', siteId: 'gate', deviceId: 'box-1', cameraId: 'in' },
        lastSeen: { at: '2024-02-02T09:13:00.000Z', siteId: 'gate', deviceId: 'box-1', cameraId: 'out' },
        sightings: 4,
        presentMinutes: 42,
        stays: [
          { from: '2024-02-02T08:00:00.000Z', to: '2024-02-02T08:41:00.000Z', sightings: 3 },
          { from: '2024-02-02T09:12:00.000Z', to: '2024-02-02T09:13:00.000Z', sightings: 1 },
        ],
      },
      expect.objectContaining({ day: '2024-02-03', sightings: 1, presentMinutes: 1 }),
    ]);
    const [whole] = await report({ from: '2024-02-02', to: '2024-02-02', personId, gapMinutes: '31' });
    expect(whole?.stays).toHaveLength(1);
    const [atGate] = await report({ from: '2024-02-02', to: '2024-02-02', personId, site: 'gate' });
    expect(atGate).toMatchObject({ sightings: 2, stays: [{ sightings: 1 }, { sightings: 1 }] });
  });

  it('ends and begins at the midnights of its time zone, also when clocks are changed', async () => {
    const personId = await enrol('Night');
    // The night in which Berlin has the hour from two to three twice.
    await see({ personId, from: at('10-26T21:30'), to: at('10-26T22:30') }, { personId, from: at('10-27T22:59') });
    const query = { from: '2024-10-26', to: '2024-10-28', personId };
    const days = await report({ ...query, timeZone: 'Europe/Berlin' });
    expect(days.map(({ day, stays }) => [day, stays.map(({ from, to }) => [from, to])])).toEqual([
      ['2024-10-26', [['2024-10-26T21:30:00.000Z', '2024-10-26T22:00:00.000Z']]],
      [
        '2024-10-27',
        [
          ['2024-10-26T22:00:00.000Z', '2024-10-26T22:30:00.000Z'],
          ['2024-10-27T22:59:00.000Z', '2024-10-27T22:59:01.000Z'],
        ],
      ],
    ]);
    expect((await report(query)).map(({ day }) => day)).toEqual(['2024-10-26', '2024-10-27']);
  });

  it('honours reviews: not this person, and who it is instead', async () => {
    const [one, other] = [await enrol('Mistaken'), await enrol('Missed')];
    const [wrong = '', swapped = '', unknown = ''] = await see(
      { personId: one, from: at('03-02T08:00') },
      { personId: one, from: at('03-02T09:00') },
      { from: at('03-02T10:00') },
    );
    await review(wrong, 'not-this-person');
    await review(swapped, 'is-person', other);
    await review(unknown, 'is-person', other);
    const day = { from: '2024-03-02', to: '2024-03-02' };
    expect(await report({ ...day, personId: one })).toEqual([]);
    expect(await report({ ...day, personId: other })).toMatchObject([{ sightings: 2 }]);
    await review(wrong, 'confirmed');
    expect(await report({ ...day, personId: one })).toMatchObject([{ sightings: 1 }]);
  });

  it('follows people who were merged, with what was reviewed before', async () => {
    const [into, from] = [await enrol('Stays'), await enrol('Goes')];
    const [, reviewed = ''] = await see(
      { personId: from, from: at('03-03T08:00') },
      { from: at('03-03T09:00') },
      { personId: into, from: at('03-03T10:00') },
    );
    await review(reviewed, 'is-person', from);
    const merged = await send('POST', `/v1/people/${into}/merge`, { from });
    const day = { from: '2024-03-03', to: '2024-03-03' };
    expect(await report(day)).toMatchObject([{ person: { id: into }, sightings: 3 }]);
    await send('POST', `/v1/merges/${merged.json<rest.Merge>().id}/undo`, {});
    expect((await report(day)).map(({ person, sightings }) => [person.id, sightings])).toEqual([
      [into, 1],
      [from, 2],
    ]);
  });

  it('leaves out whoever may not be matched for it, and whoever was erased', async () => {
    const [unwilling, erased] = [await enrol('Unwilling'), await enrol('Erased')];
    await see({ personId: unwilling, from: at('03-04T08:00') }, { personId: erased, from: at('03-04T08:00') });
    const day = { from: '2024-03-04', to: '2024-03-04' };
    expect(await report(day)).toHaveLength(2);
    const given = await send('POST', `/v1/people/${unwilling}/consents`, {
      purpose: 'attendance',
      legalBasis: 'consent',
    });
    await send('POST', `/v1/people/${unwilling}/consents/${given.json<rest.Consent>().id}/withdraw`, {});
    await cloud.request({ method: 'DELETE', url: `/v1/people/${erased}` });
    expect(await report(day)).toEqual([]);
  });

  it('tells who of a group was absent, up to today', async () => {
    const [came, stayedAway] = [await enrol('Came', 'staff'), await enrol('Away', 'staff')];
    await see({ personId: came, from: at('04-01T08:00') }, { from: at('04-01T08:00') });
    const day = { from: '2024-04-01', to: '2024-04-02', group: 'staff' };
    expect((await report(day)).map(({ person }) => person.name)).toEqual(['Came']);
    const all = await report({ ...day, absent: 'true' });
    expect(all.map(({ day: date, person, present }) => [date, person.name, present])).toEqual([
      ['2024-04-01', 'Came', true],
      ['2024-04-01', 'Away', false],
      ['2024-04-02', 'Came', false],
      ['2024-04-02', 'Away', false],
    ]);
    expect(all[1]).toMatchObject({ firstSeen: null, lastSeen: null, stays: [], sightings: 0 });
    const before = { from: '2023-12-30', to: '2023-12-31', group: 'staff', absent: 'true' };
    expect(await report(before)).toEqual([]);
    const to = new Date(Date.now() + 80 * 86_400_000).toISOString().slice(0, 10);
    const from = new Date().toISOString().slice(0, 10);
    expect(await report({ from, to, personId: stayedAway, absent: 'true' })).toHaveLength(1);
  });

  it('comes in pages that add up to the whole, and as a table without formulas', async () => {
    const group = 'many';
    const people: PersonId[] = [];
    for (const name of ['=cmd()', 'B, "b"', 'C', 'D', 'E']) people.push(await enrol(name, group));
    const days = ['05-01', '05-02', '05-04'];
    await see(...days.flatMap((day) => people.map((personId) => ({ personId, from: at(`${day}T08:00`) }))));
    const query = { from: '2024-05-01', to: '2024-05-05', group };
    const whole = await report(query);
    expect(whole).toHaveLength(15);
    const paged: rest.AttendanceDay[] = [];
    let cursor: string | null = null;
    do {
      const answer: rest.AttendancePage = (
        await ask({ ...query, limit: '4', ...(cursor !== null && { cursor }) })
      ).json();
      expect(answer.items.length).toBeLessThanOrEqual(4);
      paged.push(...answer.items);
      cursor = answer.nextCursor;
    } while (cursor !== null);
    expect(paged).toEqual(whole);
    const table = new URLSearchParams({ ...query, timeZone: 'America/St_Johns' }).toString();
    const csv = await cloud.request({ url: `/v1/attendance.csv?${table}` });
    expect(csv.headers['content-type']).toBe('text/csv; charset=utf-8');
    const lines = csv.body.trimEnd().split('\n');
    expect(lines).toHaveLength(16);
    expect(lines[0]).toMatch(/^day,personId,name,externalId,present,firstSeen,/);
    expect(lines[1]).toBe(
      `2024-05-01,${people[0]},'=cmd(),,yes,2024-05-01T05:30:00-02:30,lobby,door,2024-05-01T05:30:01-02:30,lobby,door,1,1,0.02`,
    );
    expect(lines[2]).toContain(',"B, ""b""",');
  });

  it('merges sightings into stays as a simple loop over them does', async () => {
    const random = seededIntegers(11);
    const start = at('06-01T00:00').getTime();
    const people = await Promise.all([1, 2, 3, 4].map((number) => enrol(`Loop ${number}`, 'loop')));
    const sightings = Array.from({ length: 200 }, () => {
      const from = new Date(start + random(1400) * MINUTE_MS);
      return { personId: people[random(4)], from, to: new Date(from.getTime() + random(40) * MINUTE_MS) };
    });
    await see(...sightings);
    for (const gapMinutes of [1, 7, 30, 120]) {
      const query = { from: '2024-06-01', to: '2024-06-01', group: 'loop', gapMinutes: String(gapMinutes) };
      for (const { person, stays } of await report(query)) {
        const own = sightings.filter(({ personId }) => personId === person.id);
        expect(stays).toEqual(staysOf(own, gapMinutes, at('06-02T00:00')));
      }
    }
  });

  it.each([
    [{ from: '2024-02-02', to: '2024-02-01' }],
    [{ from: '2024-01-01', to: '2024-06-01' }],
    [{ from: '2024-02-01', to: '2024-02-30' }],
    [{ from: '1066-10-14', to: '1066-10-14' }],
    [{ from: '2024-02-01', to: '2024-02-01', timeZone: 'Mars/Olympus' }],
    [{ from: '2024-02-01', to: '2024-02-01', absent: 'true' }],
    [{ from: '2024-02-01', to: '2024-02-01', gapMinutes: '0' }],
  ])('is refused for %j', async (query) => {
    expect((await ask(query)).json()).toMatchObject({ code: 'REQUEST.INVALID' });
    const { statusCode } = await cloud.request({
      url: `/v1/attendance.csv?${new URLSearchParams(query).toString()}`,
    });
    expect(statusCode).toBe(400);
  });

  it('is in the audit, with whom it was about', async () => {
    const personId = newPersonId();
    await ask({ from: '2024-02-01', to: '2024-02-01', personId });
    const { rows } = await cloud.api.database.db.execute(sql`
      SELECT action, subject_id FROM cloud.audit_entry ORDER BY sequence DESC LIMIT 1`);
    expect(rows).toEqual([{ action: 'attendance.read', subject_id: personId }]);
  });
});

function staysOf(sightings: readonly { from: Date; to: Date }[], gapMinutes: number, end: Date) {
  const stays: { from: number; to: number; sightings: number }[] = [];
  for (const { from, to } of [...sightings].sort((a, b) => a.from.getTime() - b.from.getTime())) {
    const [begin, finish] = [from.getTime(), Math.min(to.getTime(), end.getTime())];
    const last = stays.at(-1);
    if (last === undefined || begin > last.to + gapMinutes * MINUTE_MS) {
      stays.push({ from: begin, to: finish, sightings: 1 });
    } else {
      last.to = Math.max(last.to, finish);
      last.sightings += 1;
    }
  }
  const iso = (ms: number) => new Date(ms).toISOString();
  return stays.map(({ from, to, sightings: count }) => ({ from: iso(from), to: iso(to), sightings: count }));
}
