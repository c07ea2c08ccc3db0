import type { rest } from '@sightline/contracts';
import { SightingPhase } from '@sightline/contracts';
import { newSightingId, type SightingId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { DecisionExpiry } from '../identification/decision-expiry.js';
import { GalleryFollower } from '../identification/gallery-follower.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { axis, DIMENSION, templateOf } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, until, wireTemplate, type TestDevice } from '../testing/test-device.js';
import { StrangerClustering } from './stranger-clustering.js';

let cloud: TestCloud;
let device: TestDevice;
let sequence = 0;

beforeAll(async () => {
  cloud = await startTestCloud();
  device = await startTestDevice(cloud, 'box-1');
});
afterAll(async () => {
  await device.connection.close();
  await cloud.stop();
});
beforeEach(async () => {
  await execute(sql`DELETE FROM cloud.kept_probe`);
  await json('PUT', '/v1/decision-policy', { retention: { unknownHours: 48 } });
  await clustering(['lobby']);
});

const execute = (query: ReturnType<typeof sql>) => cloud.api.database.db.execute(query);
const send = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: object) =>
  cloud.request({ method, url, ...(payload && { payload }) });
const json = async <T>(method: 'GET' | 'POST' | 'PUT', url: string, payload?: object) =>
  (await send(method, url, payload)).json<T>();
const clustering = (sites: readonly string[]) => send('PUT', '/v1/stranger-clustering', { sites });
const pass = () => cloud.api.app.get(StrangerClustering).pass(new AbortController().signal);
const strangers = async (query = '') => (await json<rest.StrangerPage>('GET', `/v1/strangers${query}`)).items;
const rowsLeft = async () => {
  const { rows } = await execute(sql`SELECT (SELECT count(*)::int FROM cloud.stranger) AS strangers,
    (SELECT count(*)::int FROM cloud.stranger_sighting) AS sightings`);
  return rows[0];
};

/** Somebody is seen, until they have left. */
async function seen(axisIndex: number, tilt = 0): Promise<SightingId> {
  const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
  const sightingId = newSightingId();
  const templates = [wireTemplate(templateOf(axis(axisIndex, tilt), protector))];
  sequence += 1;
  const payload = sightingPayload({ sightingId, templates, phase: SightingPhase.CLOSE });
  await device.send([{ sequence, payload }]);
  await until(() => device.identifications.find((one) => one.sightingId === sightingId), 'the decision');
  return sightingId;
}
const enrol = (id: string, name: string) => send('POST', `/v1/strangers/${id}/enrol`, { name });

describe('telling strangers apart', () => {
  it('is off unless somebody has said where, and needs probes that are kept', async () => {
    await execute(sql`DELETE FROM cloud.stranger_clustering`);
    expect(await json('GET', '/v1/stranger-clustering')).toMatchObject({ sites: [], changedAt: null });
    await seen(0);
    await pass();
    expect(await strangers()).toEqual([]);
    await json('PUT', '/v1/decision-policy', { retention: { unknownHours: 0 } });
    expect((await clustering(['lobby'])).json()).toMatchObject({ code: 'STRANGER.PROBES_NOT_KEPT' });
    expect((await clustering([])).statusCode).toBe(200);
  });

  it('shows that the same unknown person came again, and where', async () => {
    await seen(0);
    await seen(4);
    await pass();
    const last = [await seen(0, 0.2), await seen(0, -0.2)];
    await pass();
    const all = await strangers();
    expect(all.map(({ sightings }) => sightings)).toEqual([3, 1]);
    expect(all[0]).toMatchObject({ sites: ['lobby'] });
    expect(await strangers('?minimumSightings=2&site=lobby')).toHaveLength(1);
    expect(await strangers('?site=elsewhere')).toEqual([]);
    const one = await json<rest.StrangerDetail>('GET', `/v1/strangers/${all[0]?.id ?? ''}`);
    expect(one).toMatchObject({ ...all[0] });
    expect(one.latest.map(({ id }) => id)).toEqual(expect.arrayContaining(last));
    const page = await json<rest.StrangerPage>('GET', '/v1/strangers?limit=1');
    const next = await strangers(`?limit=1&cursor=${page.nextCursor}`);
    expect([...page.items, ...next]).toEqual(all);
  });

  it('comes to the same when two do it at once, and when it is done again', async () => {
    await Promise.all([seen(0), seen(0, 0.1), seen(4)]);
    await Promise.all([pass(), pass(), pass()]);
    await pass();
    expect((await strangers()).map(({ sightings }) => sightings).sort()).toEqual([1, 2]);
  });

  it('goes on where a key was rotated', async () => {
    const before = await seen(0);
    await pass();
    await json('POST', '/v1/template-keys/rotate', { retireAfterHours: 1 });
    const since = await seen(0, 0.1);
    await pass();
    expect((await strangers()).map(({ sightings }) => sightings)).toEqual([2]);
    for (const [one, other] of [
      [before, since],
      [since, before],
    ]) {
      const asked = { sightingId: one, purpose: 'other', reason: 'Across the keys' };
      const { sightings } = await json<rest.SearchResult>('POST', '/v1/searches', asked);
      expect(sightings.items.map(({ sighting }) => sighting.id)).toEqual([other]);
    }
  });

  it('that is switched off, or off at a site, deletes all of it at once', async () => {
    await seen(0);
    await pass();
    expect(await strangers()).toHaveLength(1);
    await clustering(['elsewhere']);
    expect(await rowsLeft()).toEqual({ strangers: 0, sightings: 0 });
    await clustering(['lobby']);
    await pass();
    expect(await strangers()).toHaveLength(1);
    await clustering([]);
    expect(await rowsLeft()).toEqual({ strangers: 0, sightings: 0 });
    await pass();
    expect(await rowsLeft()).toEqual({ strangers: 0, sightings: 0 });
  });

  it('lets sightings expire, and does not take them up again', async () => {
    await seen(0);
    await pass();
    await execute(sql`UPDATE cloud.stranger_sighting SET expires_at = now()`);
    expect(await strangers()).toEqual([]);
    await execute(
      sql`UPDATE cloud.sighting SET last_seen_at = now() - interval '8 days', first_seen_at = now() - interval '8 days'`,
    );
    await cloud.api.app.get(DecisionExpiry).expire();
    await pass();
    expect(await rowsLeft()).toEqual({ strangers: 0, sightings: 0 });
  });
});

describe('a stranger', () => {
  it('is forgotten on request, with the probes', async () => {
    await seen(0);
    await pass();
    const [one] = await strangers();
    expect((await send('DELETE', `/v1/strangers/${one?.id ?? ''}`)).statusCode).toBe(204);
    await pass();
    expect(await strangers()).toEqual([]);
    const { rows } = await execute(sql`SELECT FROM cloud.kept_probe`);
    expect(rows).toEqual([]);
    for (const method of ['GET', 'DELETE'] as const) {
      expect((await send(method, `/v1/strangers/${one?.id ?? ''}`)).json()).toMatchObject({
        code: 'STRANGER.NOT_FOUND',
      });
    }
  });

  it('becomes a person whose sightings are reviewed, whom cameras know from then on, and who can be erased', async () => {
    const ids = [await seen(7), await seen(7, 0.2)];
    await pass();
    const [one] = await strangers();
    const response = await enrol(one?.id ?? '', 'Grace');
    expect(response.json()).toMatchObject({ sightings: 2, faces: 2 });
    const { personId } = response.json<rest.EnrolledStranger>();
    expect(await rowsLeft()).toEqual({ strangers: 0, sightings: 0 });
    for (const id of ids) {
      const { review } = await json<rest.Identification>('GET', `/v1/identifications/${id}:1`);
      expect(review).toMatchObject({ verdict: 'is-person', person: { id: personId, name: 'Grace' } });
    }
    const { rows } = await execute(sql`SELECT version::int AS version FROM cloud.gallery_version`);
    await cloud.api.app.get(GalleryFollower).passed(Number(rows[0]?.version));
    const again = await seen(7, 0.1);
    expect(await json('GET', `/v1/sightings/${again}`)).toMatchObject({ decision: { person: { name: 'Grace' } } });
    await pass();
    expect(await strangers()).toEqual([]);
    expect((await send('DELETE', `/v1/people/${personId}`)).statusCode).toBe(204);
    const left = await execute(sql`SELECT FROM cloud.kept_probe`);
    expect(left.rows).toEqual([]);
    expect((await enrol(one?.id ?? '', 'Grace')).json()).toMatchObject({ code: 'STRANGER.NOT_FOUND' });
  });

  it('whose enrolment broke off is taken along by the erasure of the person, or enrolled to its end', async () => {
    for (const end of ['erased', 'enrolled'] as const) {
      await seen(11);
      await pass();
      const [one] = await strangers();
      const { id: personId } = await json<rest.Person>('POST', '/v1/people', { name: 'Hedy' });
      await execute(sql`UPDATE cloud.stranger SET person_id = ${personId}::uuid`);
      if (end === 'enrolled') expect((await enrol(one?.id ?? '', 'x')).json()).toMatchObject({ personId, faces: 1 });
      await send('DELETE', `/v1/people/${personId}`);
      expect(await rowsLeft()).toEqual({ strangers: 0, sightings: 0 });
      expect((await execute(sql`SELECT FROM cloud.kept_probe`)).rows).toEqual([]);
    }
  });
});
