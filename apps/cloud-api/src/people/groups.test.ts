import type { rest } from '@sightline/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startTestCloud, type TestCloud } from '../testing/test-cloud.js';

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.stop());

const post = (url: string, payload: object) => cloud.request({ method: 'POST', url, payload });
const addPerson = async (payload: object) => (await post('/v1/people', payload)).json<rest.Person>();
const group = async (id: string) => (await cloud.request({ url: `/v1/groups/${id}` })).json<rest.Group>();
const people = async (query: string) => {
  const response = await cloud.request({ url: `/v1/people?${query}` });
  return response.json<rest.PersonPage>();
};
const names = async (query: string) => (await people(query)).items.map(({ name }) => name);

describe('a group', () => {
  it('is made, changed and removed', async () => {
    const made = await post('/v1/groups', { id: 'night-shift', name: 'Night shift', description: 'From ten to six.' });
    expect(made.statusCode).toBe(201);
    expect(made.json()).toMatchObject({ id: 'night-shift', kind: 'group', people: 0 });
    expect((await post('/v1/groups', { id: 'night-shift', name: 'Again' })).json()).toMatchObject({
      code: 'GROUP.ALREADY_EXISTS',
    });
    const change = { kind: 'watch-list' };
    const changed = await cloud.request({ method: 'PATCH', url: '/v1/groups/night-shift', payload: change });
    expect(changed.json()).toMatchObject({ name: 'Night shift', kind: 'watch-list' });
    expect((await cloud.request({ method: 'DELETE', url: '/v1/groups/night-shift' })).statusCode).toBe(204);
    for (const method of ['GET', 'DELETE'] as const) {
      expect((await cloud.request({ method, url: '/v1/groups/night-shift' })).json()).toMatchObject({
        code: 'GROUP.NOT_FOUND',
      });
    }
  });

  it('that a person names for the first time is there then', async () => {
    await addPerson({ name: 'First', groups: ['crew', 'watch-list'] });
    expect(await group('crew')).toMatchObject({ name: 'crew', kind: 'group', people: 1 });
    expect(await group('watch-list')).toMatchObject({ kind: 'watch-list' });
    const { id } = await addPerson({ name: 'Second' });
    await cloud.request({ method: 'PATCH', url: `/v1/people/${id}`, payload: { groups: ['later'] } });
    expect(await group('later')).toMatchObject({ people: 1 });
  });

  it('with people goes only when they are told to leave it', async () => {
    const ids = await Promise.all(
      [1, 2, 3].map(async (number) => (await addPerson({ name: `Member ${number}`, groups: ['full', 'other'] })).id),
    );
    const kept = await cloud.request({ method: 'DELETE', url: '/v1/groups/full' });
    expect(kept.json()).toMatchObject({ status: 409, code: 'GROUP.IN_USE' });
    const before = await lastVersion();
    expect((await cloud.request({ method: 'DELETE', url: '/v1/groups/full?cascade=true' })).statusCode).toBe(204);
    expect((await cloud.request({ url: `/v1/people/${ids[0]}` })).json()).toMatchObject({ groups: ['other'] });
    // Boxes hear of each of them.
    expect(await lastVersion()).toBe(before + 3);
  });

  it('is listed by pages', async () => {
    for (const id of ['page-1', 'page-2', 'page-3']) await post('/v1/groups', { id, name: id });
    const read = async (cursor = '') =>
      (await cloud.request({ url: `/v1/groups?limit=2${cursor}` })).json<rest.GroupPage>();
    const first = await read();
    expect(first.items).toHaveLength(2);
    const second = await read(`&cursor=${first.nextCursor ?? ''}`);
    const ids = [...first.items, ...second.items].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.slice(0, 3)).toEqual(['page-3', 'page-2', 'page-1']);
  });

  const lastVersion = async () => {
    const { rows } = await cloud.api.database.pool.query<{ version: string }>(
      'SELECT version FROM cloud.gallery_version',
    );
    return Number(rows[0]?.version);
  };
});

describe('people', () => {
  beforeAll(async () => {
    await addPerson({ name: 'Zoë Saldaña', externalId: 'Z-1', groups: ['cast'], sites: ['stage'] });
    await addPerson({ name: 'Zoe Kravitz', externalId: 'Z-2', groups: ['cast', 'guests'] });
    await addPerson({ name: 'Anna Saldana Kravitz', groups: ['guests'], sites: ['foyer'] });
  });

  it('are found by whole words of their name, whatever case and accents', async () => {
    expect(await names('name=zoe')).toEqual(['Zoe Kravitz', 'Zoë Saldaña']);
    expect(await names('name=KRAVITZ')).toEqual(['Anna Saldana Kravitz', 'Zoe Kravitz']);
    expect(await names(`name=${encodeURIComponent('saldaña zoe')}`)).toEqual(['Zoë Saldaña']);
    expect(await names('name=zo')).toEqual([]);
    expect(await names(`name=${encodeURIComponent('!?')}`)).toEqual([]);
  });

  it('are found by external id, group and site, and all of these', async () => {
    expect(await names('externalId=Z-2')).toEqual(['Zoe Kravitz']);
    expect(await names('externalId=z-2')).toEqual([]);
    expect(await names('group=cast')).toEqual(['Zoe Kravitz', 'Zoë Saldaña']);
    // Whoever has no site is needed at every one.
    expect(await names('site=stage&group=cast')).toEqual(['Zoe Kravitz', 'Zoë Saldaña']);
    expect(await names('site=foyer&group=cast')).toEqual(['Zoe Kravitz']);
    expect(await names('group=guests&name=anna')).toEqual(['Anna Saldana Kravitz']);
  });

  it('are found page by page, also where several words share a bucket', async () => {
    const { id } = await addPerson({ name: 'Somebody Else', groups: ['cast'] });
    await cloud.api.database.pool.query(
      `UPDATE cloud.person SET name_words = (SELECT name_words FROM cloud.person WHERE $1 = ANY (groups) LIMIT 1)
       WHERE id = $2`,
      ['cast', id],
    );
    const first = await people('name=zoe&limit=1');
    expect(first.items.map(({ name }) => name)).toEqual(['Zoe Kravitz']);
    const second = await people(`name=zoe&limit=1&cursor=${first.nextCursor ?? ''}`);
    expect(second).toMatchObject({ items: [{ name: 'Zoë Saldaña' }], nextCursor: null });
  });
});
