import type { rest } from '@sightline/contracts';
import { isUuid, newSightingId, seededIntegers, type PersonId } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { templatesOfPerson } from '../identification/stored-templates.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { axis, DIMENSION, templateOf } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { toRestTemplate } from '../faces/wire.js';
import { mergeAttributes, unmergeAttributes } from './merge-attributes.js';

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.stop());

const query = async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
  (await cloud.api.database.pool.query<Row>(text, [...values])).rows;
const post = (url: string, payload: object = {}) => cloud.request({ method: 'POST', url, payload });

async function addPerson(payload: object): Promise<PersonId> {
  return (await post('/v1/people', payload)).json<rest.Person>().id as PersonId;
}

async function enrol(id: string, axisIndex: number, tilt = 0) {
  const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
  const template = toRestTemplate(templateOf(axis(axisIndex, tilt), protector, { codec: 'float16' }));
  return post(`/v1/people/${id}/templates`, { template });
}

async function addSighting(site: string, decided: PersonId | null, local: PersonId | null): Promise<void> {
  const id = newSightingId();
  await query(
    `INSERT INTO cloud.identification (tenant_id, sighting_id, revision, outcome, person_id, threshold,
       false_match_rate, identify_ms, local_person_id, decided_at)
     VALUES ($1, $2, 1, $3, $4, 0.5, 0.001, 1, $5, now())`,
    [TENANT, id, decided === null ? 'unknown' : 'identified', decided, local],
  );
  if (decided === null) return;
  await query(
    `INSERT INTO cloud.person_at_site VALUES ($1, $2, $3, now())
     ON CONFLICT (tenant_id, site_id, person_id) DO UPDATE SET last_seen_at = now()`,
    [TENANT, site, decided],
  );
}

/** Everything about two people, in the clear. */
async function stateOf(people: readonly PersonId[]) {
  const { database, app } = cloud.api;
  const templates = people.map((personId) =>
    templatesOfPerson(database, app.get(PersonalData), { tenantId: TENANT, personId }),
  );
  return {
    people: await Promise.all(
      people.map(async (id) => (await cloud.request({ url: `/v1/people/${id}` })).json<object>()),
    ),
    templates: (await Promise.all(templates)).map((own) =>
      own.map(({ data }) => Buffer.from(data).toString('hex')).sort(),
    ),
    owners: await query('SELECT id, person_id FROM cloud.template WHERE person_id = ANY ($1) ORDER BY id', [people]),
    identifications: await query(
      `SELECT sighting_id, person_id, local_person_id FROM cloud.identification
       WHERE person_id = ANY ($1) OR local_person_id = ANY ($1) ORDER BY sighting_id`,
      [people],
    ),
    visits: await query('SELECT * FROM cloud.person_at_site WHERE person_id = ANY ($1) ORDER BY 2, 3', [people]),
    merged: await query('SELECT id, merged_into FROM cloud.person WHERE id = ANY ($1) ORDER BY id', [people]),
  };
}

describe('a merge', () => {
  it('gives templates, sightings, sites and groups to the one who stays, and can be undone', async () => {
    const into = await addPerson({ name: 'Anna', sites: ['gate'], groups: ['staff'] });
    const from = await addPerson({ name: 'Anna B.', externalId: 'B', sites: ['yard'], groups: ['crew'] });
    expect((await enrol(into, 1)).statusCode).toBe(201);
    const second = await enrol(from, 1, 0.1);
    expect(second.json()).toMatchObject({ possibleDuplicates: [{ personId: into, name: 'Anna' }] });
    await addSighting('yard', from, null);
    const before = await stateOf([into, from]);

    const response = await post(`/v1/people/${into}/merge`, { from });
    expect(response.json()).toMatchObject({ into, from, templates: 1, sightings: 1, undoneAt: null });
    const { id } = response.json<rest.Merge>();
    const anna = (await cloud.request({ url: `/v1/people/${into}` })).json<rest.Person>();
    expect(anna).toMatchObject({ faces: 2, sites: ['gate', 'yard'], groups: ['crew', 'staff'] });
    expect((await cloud.request({ url: `/v1/people/${from}` })).json()).toMatchObject({ code: 'PERSON.MERGED' });
    expect((await cloud.request({ url: '/v1/people?name=anna' })).json()).toMatchObject({ items: [{ id: into }] });
    expect((await enrol(from, 5)).json()).toMatchObject({ status: 410, code: 'PERSON.MERGED' });
    expect((await post(`/v1/people/${into}/merge`, { from })).json()).toMatchObject({ code: 'PERSON.MERGED' });

    const undone = await post(`/v1/merges/${id}/undo`);
    expect(undone.json()).toMatchObject({ undoneAt: expect.any(String) as string });
    expect(await stateOf([into, from])).toEqual(before);
    expect((await post(`/v1/merges/${id}/undo`)).json()).toMatchObject({ code: 'MERGE.INVALID' });
    expect((await cloud.request({ url: `/v1/merges/${id}` })).json()).toMatchObject({ id });
    const { items } = (await cloud.request({ url: '/v1/merges' })).json<rest.MergePage>();
    expect(items.every((merge) => isUuid(merge.id))).toBe(true);
  });

  it('and its undoing leave everything as it was, whatever that was', async () => {
    const random = seededIntegers(5);
    const pick = (below: number) => random(below);
    const some = (names: readonly string[]) => names.filter(() => pick(2) === 0);
    for (let round = 0; round < 3; round += 1) {
      const make = () => addPerson({ name: `P${round}`, sites: some(['a', 'b', 'c']), groups: some(['x', 'y', 'z']) });
      const [into, from, other] = [await make(), await make(), await make()];
      for (const id of [into, from, other])
        for (let n = pick(3); n > 0; n -= 1) await enrol(id, pick(16), pick(100) / 100);
      const anybody = () => [into, from, other, null][pick(4)] ?? null;
      for (let n = 0; n < 6; n += 1) await addSighting(['a', 'b'][pick(2)] ?? 'a', anybody(), anybody());
      const everybody = [into, from, other];
      const before = await stateOf(everybody);
      const first = (await post(`/v1/people/${into}/merge`, { from })).json<rest.Merge>();
      const between = await stateOf([into, other]);
      const second = (await post(`/v1/people/${into}/merge`, { from: other })).json<rest.Merge>();
      expect((await post(`/v1/merges/${first.id}/undo`)).json()).toMatchObject({ code: 'MERGE.NOT_LAST' });
      await post(`/v1/merges/${second.id}/undo`);
      expect(await stateOf([into, other])).toEqual(between);
      await post(`/v1/merges/${first.id}/undo`);
      expect(await stateOf(everybody)).toEqual(before);
    }
  }, 60_000);

  it('of somebody with themselves, or with nobody, is refused', async () => {
    const id = await addPerson({ name: 'Alone' });
    expect((await post(`/v1/people/${id}/merge`, { from: id })).json()).toMatchObject({ code: 'MERGE.INVALID' });
    const nobody = '0193d1b0-0000-7000-8000-000000000001';
    expect((await post(`/v1/people/${id}/merge`, { from: nobody })).json()).toMatchObject({ code: 'PERSON.NOT_FOUND' });
    expect((await post(`/v1/merges/${nobody}/undo`)).json()).toMatchObject({ code: 'MERGE.NOT_FOUND' });
  });

  it('goes with the person who is erased, and with them whoever was merged into them', async () => {
    const [into, from, deeper] = [
      await addPerson({ name: 'Erased' }),
      await addPerson({ name: 'Erased too' }),
      await addPerson({ name: 'Erased as well' }),
    ];
    await enrol(deeper, 9);
    await post(`/v1/people/${from}/merge`, { from: deeper });
    await post(`/v1/people/${into}/merge`, { from });
    expect((await cloud.request({ method: 'DELETE', url: `/v1/people/${into}` })).statusCode).toBe(204);
    const gone = [into, from, deeper];
    expect(await query('SELECT id FROM cloud.person WHERE id = ANY ($1)', [gone])).toEqual([]);
    expect(await query('SELECT id FROM cloud.person_merge WHERE into_person_id = ANY ($1)', [gone])).toEqual([]);
  });
});

describe('sites and groups', () => {
  it('that were changed after a merge stay so', () => {
    const merge = mergeAttributes({ sites: ['a'], groups: ['x'] }, { sites: ['b'], groups: ['y'] });
    expect(merge.merged).toEqual({ sites: ['a', 'b'], groups: ['x', 'y'] });
    expect(unmergeAttributes({ sites: ['b'], groups: ['x', 'y', 'z'] }, merge)).toEqual({
      sites: ['b'],
      groups: ['x', 'z'],
    });
    const wide = mergeAttributes({ sites: ['a'], groups: [] }, { sites: [], groups: [] });
    expect(wide.merged.sites).toEqual([]);
    expect(unmergeAttributes({ sites: ['c'], groups: [] }, wide).sites).toEqual(['c']);
  });
});
