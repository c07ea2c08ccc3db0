import type { rest } from '@sightline/contracts';
import { newSightingId } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { toRestTemplate } from '../faces/wire.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { axis, DIMENSION, SPACE, templateOf } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, wireTemplate } from '../testing/test-device.js';

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.stop());

const post = (url: string, payload: object = {}) => cloud.request({ method: 'POST', url, payload });
const addPerson = async (name: string) => (await post('/v1/people', { name })).json<rest.Person>().id;
const protector = () => cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);

async function templateAlong(axisIndex: number, tilt = 0): Promise<rest.Template> {
  return toRestTemplate(templateOf(axis(axisIndex, tilt), await protector(), { codec: 'float16' }));
}

const enrol = (id: string, template: object) => post(`/v1/people/${id}/templates`, { template });
const duplicates = async (query = '') =>
  (await cloud.request({ url: `/v1/people/duplicates${query}` })).json<rest.DuplicatePairPage>().items;

describe('enrolment by template', () => {
  it('takes a template of the space and key in use, once', async () => {
    const id = await addPerson('By template');
    const template = await templateAlong(0);
    const enrolled = await enrol(id, template);
    expect(enrolled.statusCode).toBe(201);
    expect(enrolled.json()).toMatchObject({ personId: id, modelSpace: SPACE, quality: 0.8, possibleDuplicates: [] });
    expect((await enrol(id, template)).json()).toMatchObject({ status: 409, code: 'ENROLMENT.DUPLICATE_TEMPLATE' });
    expect((await cloud.request({ url: `/v1/people/${id}` })).json()).toMatchObject({ faces: 1 });
  });

  it('refuses every other template, and says why', async () => {
    const id = await addPerson('Refused');
    const good = await templateAlong(1);
    const float16 = (value: number) => Buffer.from(new Uint16Array(DIMENSION).fill(value).buffer).toString('base64');
    const cases: readonly (readonly [object, string])[] = [
      [{ modelSpace: 'another-space' }, 'TEMPLATE.FOREIGN_SPACE'],
      [{ keyId: 'ab'.repeat(16) }, 'TEMPLATE.FOREIGN_KEY'],
      [{ dimension: 8, data: Buffer.alloc(16, 1).toString('base64') }, 'TEMPLATE.WRONG_DIMENSION'],
      [{ data: Buffer.alloc(6).toString('base64') }, 'TEMPLATE.INVALID'],
      [{ data: float16(0x7e00) }, 'TEMPLATE.INVALID'],
      [{ data: float16(0x7c00) }, 'TEMPLATE.INVALID'],
      [{ data: float16(0) }, 'TEMPLATE.INVALID'],
      [{ quality: 0.1 }, 'ENROLMENT.LOW_QUALITY'],
      [{ codec: 'int8', scale: 0 }, 'TEMPLATE.INVALID'],
      [{ data: '!' }, 'REQUEST.INVALID'],
    ];
    for (const [change, code] of cases) {
      expect((await enrol(id, { ...good, ...change })).json()).toMatchObject({ code });
    }
    const nobody = '0193d1b0-0000-7000-8000-000000000001';
    expect((await enrol(nobody, good)).json()).toMatchObject({ code: 'PERSON.NOT_FOUND' });
  });
});

describe('enrolment from a sighting', () => {
  it('takes its template once somebody has said who it is', async () => {
    const id = await addPerson('Seen');
    await enrol(id, await templateAlong(12, 0.2));
    const [device, sightingId] = [await startTestDevice(cloud, 'box-1'), newSightingId()];
    const templates = [wireTemplate(templateOf(axis(12), await protector()))];
    await device.send([{ sequence: 1, payload: sightingPayload({ sightingId, templates }) }]);
    await device.acked(1);
    const fromSighting = () => post(`/v1/people/${id}/faces/from-sighting`, { sightingId });
    expect((await fromSighting()).json()).toMatchObject({ code: 'ENROLMENT.NOT_REVIEWED' });
    const { rows } = await cloud.api.database.pool.query<{ revision: number }>(
      'SELECT revision FROM cloud.identification WHERE sighting_id = $1',
      [sightingId],
    );
    const url = `/v1/identifications/${sightingId}:${rows[0]?.revision ?? 0}/review`;
    expect((await post(url, { verdict: 'confirmed' })).statusCode).toBeLessThan(300);
    const enrolled = await fromSighting();
    expect(enrolled.json()).toMatchObject({ personId: id, modelSpace: SPACE });
    expect((await fromSighting()).json()).toMatchObject({ code: 'ENROLMENT.DUPLICATE_TEMPLATE' });
    await cloud.api.database.pool.query('DELETE FROM cloud.kept_probe');
    expect((await fromSighting()).json()).toMatchObject({ status: 410, code: 'ENROLMENT.PROBE_EXPIRED' });
    await device.connection.close();
  });
});

describe('duplicates', () => {
  it('are told at enrolment, found by a search, dismissed, and forgotten with their templates', async () => {
    const [ada, twin, stranger] = [await addPerson('Ada'), await addPerson('Ada again'), await addPerson('Other')];
    await enrol(ada, await templateAlong(4));
    await enrol(stranger, await templateAlong(6));
    const warned = await enrol(twin, await templateAlong(4, 0.2));
    expect(warned.json()).toMatchObject({ possibleDuplicates: [{ personId: ada, name: 'Ada' }] });
    await cloud.api.database.pool.query('DELETE FROM cloud.duplicate_pair');
    expect((await cloud.request({ url: '/v1/people/duplicates/search' })).json()).toMatchObject({ state: 'never' });
    expect((await post('/v1/people/duplicates/search')).statusCode).toBe(202);
    const search = async () =>
      (await cloud.request({ url: '/v1/people/duplicates/search' })).json<rest.DuplicateSearch>();
    await expect.poll(async () => (await search()).state, { timeout: 10_000 }).toBe('done');
    const { rows } = await cloud.api.database.pool.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM cloud.template',
    );
    expect(await search()).toMatchObject({ templates: rows[0]?.count });
    const [pair, ...others] = await duplicates();
    expect(others).toEqual([]);
    expect(pair?.people.map(({ name }) => name).toSorted()).toEqual(['Ada', 'Ada again']);
    expect(pair).toMatchObject({ falseMatchRate: 1e-3, threshold: 0.5, dismissedAt: null });
    expect(pair?.score).toBeGreaterThan(0.9);

    const url = `/v1/people/duplicates/${pair?.id ?? ''}`;
    const dismissed = await cloud.request({ method: 'PATCH', url, payload: { dismissed: true } });
    expect(dismissed.json()).toMatchObject({ dismissedAt: expect.any(String) as string });
    expect(await duplicates()).toEqual([]);
    expect(await duplicates('?dismissed=true')).toHaveLength(1);
    await cloud.request({ method: 'PATCH', url, payload: { dismissed: false } });
    await post(`/v1/people/${ada}/merge`, { from: twin });
    // Who is one person by now is no pair.
    expect(await duplicates()).toEqual([]);
    await cloud.request({ method: 'DELETE', url: `/v1/people/${ada}` });
    const { rows: left } = await cloud.api.database.pool.query('SELECT id FROM cloud.duplicate_pair');
    expect(left).toEqual([]);
  });
});
