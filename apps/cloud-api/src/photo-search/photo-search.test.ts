import type { rest } from '@sightline/contracts';
import { newPersonId, newSightingId, type SightingId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { fromRestTemplate } from '../faces/wire.js';
import { DecisionExpiry } from '../identification/decision-expiry.js';
import { multipart, startCloudWithModels, testPhotos, type FormPart, type TestPhotos } from '../testing/photos.js';
import type { TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, until, wireTemplate, type TestDevice } from '../testing/test-device.js';

const why = { purpose: 'missing-person', reason: 'Nobody saw Grace leave' } as const;

let cloud: TestCloud;
let photos: TestPhotos;
let device: TestDevice;
let ada: string;
/** Of Ada, enrolled when she was seen again; of the other one twice, who is nobody. */
const sightings: SightingId[] = [];

beforeAll(async () => {
  [cloud, photos] = await Promise.all([startCloudWithModels(), testPhotos()]);
  device = await startTestDevice(cloud, 'box-1');
  await json('PUT', '/v1/decision-policy', { retention: { unknownHours: 24 } });
  await seen(photos.other, 'door');
  await seen(photos.other, 'gate');
  ada = (await json<rest.Person>('POST', '/v1/people', { name: 'Ada' })).id;
  await send(`/v1/people/${ada}/faces`, photos.portrait, 'image/jpeg');
  await seen(photos.again, 'door');
}, 60_000);
afterAll(async () => {
  await device.connection.close();
  await cloud.stop();
});

const send = (url: string, payload: Buffer, type: string) =>
  cloud.request({ method: 'POST', url, payload, headers: { 'content-type': type } });
const json = async <T>(method: 'GET' | 'POST' | 'PUT', url: string, payload?: object) =>
  (await cloud.request({ method, url, ...(payload && { payload }) })).json<T>();

async function seen(photo: Buffer, cameraId: string): Promise<void> {
  const { faces } = (await send('/v1/embeddings?codec=int8', photo, 'image/jpeg')).json<rest.EmbeddingsResponse>();
  const templates = faces.slice(0, 1).map(({ template }) => wireTemplate(fromRestTemplate(template)));
  const sightingId = newSightingId();
  sightings.push(sightingId);
  const record = { sequence: sightings.length, payload: sightingPayload({ sightingId, cameraId, templates }) };
  await device.send([record]);
  await until(() => device.identifications.find((one) => one.sightingId === sightingId), 'the decision');
}

async function withPhoto(photo: Buffer, ...fields: readonly FormPart[]) {
  const parts = [['photo', photo] as const, ...Object.entries(why), ...fields];
  return send('/v1/searches', ...multipart(parts));
}
const search = async (asked: object) =>
  json<rest.SearchResult & rest.Problem>('POST', '/v1/searches', { ...why, ...asked });
const found = ({ sightings: page }: rest.SearchResult) => page.items.map(({ sighting }) => sighting.id);

describe('a search with a photo', () => {
  it('finds the person, and where the face was seen, and says how sure that is', async () => {
    const response = await withPhoto(photos.portrait);
    expect(response.statusCode).toBe(200);
    const result = response.json<rest.SearchResult>();
    expect(result.people).toMatchObject({ outcome: 'identified', person: { id: ada, name: 'Ada' } });
    expect(found(result)).toEqual([sightings[2]]);
    expect(result.sightings.items[0]).toMatchObject({
      score: expect.closeTo(0.65, 0) as number,
      sighting: { siteId: 'lobby', cameraId: 'door', decision: { outcome: 'identified', person: { name: 'Ada' } } },
    });
    expect(result.search).toMatchObject({ ...why, with: 'photo', state: 'done' });
    expect(result.search.facts).toMatchObject({
      ...{ probesSearched: 3, notSearched: [], sightingsFound: 1, peopleFound: 1, falsePositiveRate: 0.01 },
    });
    const { threshold = 1, falseMatchRate = 1 } = result.search.facts ?? {};
    expect(result.sightings.items[0]?.score).toBeGreaterThanOrEqual(threshold);
    // One per cent for a search of three probes.
    expect(falseMatchRate).toBeLessThanOrEqual(0.01 / 3 + 1e-4);
  });

  it('finds a stranger wherever they were seen, within the filters', async () => {
    const all = (await withPhoto(photos.other)).json<rest.SearchResult>();
    expect(all.people).toMatchObject({ outcome: 'unknown', person: null });
    expect(found(all).sort()).toEqual(sightings.slice(0, 2).sort());
    const atGate = (await withPhoto(photos.other, ['cameraId', 'gate'])).json<rest.SearchResult>();
    expect(found(atGate)).toEqual([sightings[1]]);
    expect(atGate.search.facts?.probesSearched).toBe(1);
    const soon = new Date(Date.now() + 60_000).toISOString();
    expect(found((await withPhoto(photos.other, ['from', soon])).json())).toEqual([]);
    expect(found((await withPhoto(photos.other, ['siteId', 'elsewhere'])).json())).toEqual([]);
  });

  it('asks for one face, a purpose and a reason', async () => {
    expect((await withPhoto(photos.group)).json()).toMatchObject({ code: 'VERIFICATION.SEVERAL_FACES' });
    expect((await withPhoto(photos.group, ['face', 'largest'])).statusCode).toBe(200);
    expect((await withPhoto(photos.empty)).json()).toMatchObject({ code: 'VERIFICATION.NO_FACE' });
    const without = await send('/v1/searches', ...multipart([['photo', photos.portrait]]));
    expect(without.json()).toMatchObject({ code: 'REQUEST.INVALID' });
    expect((await send('/v1/searches', photos.portrait, 'image/jpeg')).json()).toMatchObject({
      code: 'REQUEST.UNSUPPORTED_MEDIA_TYPE',
    });
  });
});

describe('a search without a photo', () => {
  it('finds a stranger elsewhere, and not the same sighting again', async () => {
    const result = await search({ sightingId: sightings[0] });
    expect(found(result)).toEqual([sightings[1]]);
    expect(result.people).toMatchObject({ outcome: 'unknown' });
  });

  it('finds where a person was seen', async () => {
    const result = await search({ personId: ada });
    expect(result.people).toBeNull();
    expect(found(result)).toEqual([sightings[2]]);
  });

  it.each([
    ['of nobody', { personId: newPersonId() }, 'PERSON.NOT_FOUND'],
    ['of no sighting', { sightingId: newSightingId() }, 'SEARCH.PROBE_NOT_KEPT'],
    ['without saying of whom', {}, 'REQUEST.INVALID'],
    ['with too long a reason', { personId: newPersonId(), reason: 'x'.repeat(201) }, 'REQUEST.INVALID'],
    ['for any purpose', { personId: newPersonId(), purpose: 'curiosity' }, 'REQUEST.INVALID'],
  ])('%s is refused', async (_, asked, code) => {
    expect(await search(asked)).toMatchObject({ code });
  });
});

describe('searches', () => {
  it('are kept with who, when, why and numbers, sealed, and are in the audit with their purpose', async () => {
    const { search: made } = await search({ personId: ada });
    const page = await json<rest.SearchPage>('GET', '/v1/searches?limit=1');
    expect(page.items).toEqual([made]);
    expect(await json('GET', `/v1/searches/${made.id}`)).toEqual(made);
    const { rows } = await cloud.api.database.db.execute(sql`
      SELECT action, purpose, subject_id FROM cloud.audit_entry WHERE action = 'search.run' ORDER BY sequence DESC LIMIT 1`);
    expect(rows).toEqual([{ action: 'search.run', purpose: 'missing-person', subject_id: made.id }]);
    const stored = await cloud.api.database.db.execute<{ sealed: Buffer }>(
      sql`SELECT sealed_reason AS sealed FROM cloud.search`,
    );
    expect(stored.rows.every(({ sealed }) => !sealed.includes('Grace'))).toBe(true);
    expect(JSON.stringify(made.facts)).not.toContain(ada);
  });

  it('that fail are kept too', async () => {
    await search({ sightingId: newSightingId() });
    const [latest] = (await json<rest.SearchPage>('GET', '/v1/searches?limit=1')).items;
    expect(latest).toMatchObject({ state: 'failed', facts: null });
  });

  it('are paged through best first', async () => {
    const first = (await withPhoto(photos.other, ['limit', '1'])).json<rest.SearchResult>();
    expect(first.sightings).toMatchObject({ items: [{}], nextAfter: 1 });
    const url = `/v1/searches/${first.search.id}/sightings`;
    const whole = await json<rest.FoundSightingPage>('GET', url);
    expect(whole.items).toHaveLength(2);
    expect(whole.items[0]).toEqual(first.sightings.items[0]);
    expect(await json('GET', `${url}?limit=1&after=1`)).toEqual({ items: [whole.items[1]], nextAfter: null });
    expect(whole.items[0]?.score).toBeGreaterThanOrEqual(whole.items[1]?.score ?? 1);
  });

  it('say what they could not compare: other models, other keys, people who do not permit it', async () => {
    const change = (column: string, value: string, id = sightings[0]) =>
      cloud.api.database.db.execute(
        sql`UPDATE cloud.kept_probe SET ${sql.identifier(column)} = ${value} WHERE sighting_id = ${id ?? ''}`,
      );
    const { rows } = await cloud.api.database.db.execute<{ space: string; key: string }>(
      sql`SELECT model_space AS space, key_id AS key FROM cloud.kept_probe LIMIT 1`,
    );
    const notSearched = async () => (await search({ sightingId: sightings[1] })).search.facts;
    await change('model_space', 'older-models');
    expect(await notSearched()).toMatchObject({
      notSearched: [{ reason: 'model-space', probes: 1 }],
      sightingsFound: 0,
    });
    await change('model_space', rows[0]?.space ?? '');
    await change('key_id', 'f'.repeat(32));
    expect(await notSearched()).toMatchObject({ notSearched: [{ reason: 'template-key', probes: 1 }] });
    await change('key_id', rows[0]?.key ?? '');
    const url = `/v1/people/${ada}/consents`;
    const { id } = await json<rest.Consent>('POST', url, { purpose: 'photo-search', legalBasis: 'consent' });
    await json('POST', `${url}/${id}/withdraw`, {});
    expect(await notSearched()).toMatchObject({ notSearched: [{ reason: 'purpose', probes: 1 }], probesSearched: 1 });
    expect(await search({ personId: ada })).toMatchObject({ code: 'CONSENT.MISSING' });
    expect(await search({ sightingId: sightings[2] })).toMatchObject({ code: 'CONSENT.MISSING' });
    await json('POST', url, { purpose: 'photo-search', legalBasis: 'consent' });
  });

  it('forget what they found with the person, and themselves in time', async () => {
    const { search: made } = await search({ personId: ada });
    const url = `/v1/searches/${made.id}/sightings`;
    expect((await json<rest.FoundSightingPage>('GET', url)).items).toHaveLength(1);
    await cloud.request({ method: 'DELETE', url: `/v1/people/${ada}` });
    expect(await json('GET', url)).toEqual({ items: [], nextAfter: null });
    await cloud.api.database.db.execute(sql`UPDATE cloud.search SET expires_at = now()`);
    await cloud.api.app.get(DecisionExpiry).expire();
    expect(await json('GET', url)).toMatchObject({ code: 'SEARCH.NOT_FOUND' });
    const { rows } = await cloud.api.database.db.execute(sql`SELECT FROM cloud.search_hit`);
    expect(rows).toEqual([]);
  });
});
