import { createPublicKey, verify } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { PersonalData } from '../personal-data/personal-data.js';
import { KEY_STORE } from '../platform/tokens.js';
import type { PersonKeyStore } from '../personal-data/person-key-store.js';
import type { StartedCloudApi } from '../start-cloud-api.js';
import { enrolAlong } from '../testing/enrol.js';
import { TestBoxCache } from '../testing/test-box-cache.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { startTestDevice, until } from '../testing/test-device.js';
import { DestroyedPeople } from './destroyed-people.js';
import { canonicalJson } from './erasure-proof.js';
import { ErasureSteps } from './erasure-steps.js';

let cloud: TestCloud;
let api: StartedCloudApi;

beforeAll(async () => {
  cloud = await startTestCloud();
  ({ api } = cloud);
});
afterAll(() => cloud.stop());

const execute = (query: ReturnType<typeof sql>) => api.database.db.execute(query);
const steps = () => api.app.get(ErasureSteps);
const advanceAll = () => steps().advanceAll(new AbortController().signal);
async function proofOf(id: string): Promise<rest.ErasureProof> {
  const response = await cloud.request({ url: `/v1/erasures/${id}` });
  expect(response.statusCode).toBe(200);
  return response.json<rest.ErasureProof>();
}
async function erase(personId: string): Promise<rest.ErasureProof> {
  const response = await cloud.request({ method: 'POST', url: '/v1/erasures', payload: { personId } });
  expect(response.statusCode).toBe(202);
  return response.json<rest.ErasureProof>();
}
/** Makes one statement of the program fail, as a crash just before it would. */
async function failing(on: string, task: () => Promise<unknown>): Promise<void> {
  await execute(sql`CREATE OR REPLACE FUNCTION cloud.test_fault() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'a fault'; END $$`);
  await execute(sql.raw(`CREATE TRIGGER test_fault BEFORE ${on} FOR EACH ROW EXECUTE FUNCTION cloud.test_fault()`));
  const table = on.split(' ON ')[1] ?? '';
  try {
    await task();
  } finally {
    await execute(sql.raw(`DROP TRIGGER test_fault ON ${table}`));
  }
}

describe('an erasure', () => {
  it('is complete at once where no box knew the person, signed, and says nothing of whom it was about', async () => {
    const { id } = await enrolAlong(api, 'Marker Lovelace', 1);
    const proof = await erase(id);
    expect(proof).toMatchObject({ complete: true, devices: [], includes: [] });
    expect(proof.stores.map(({ store, confirmedAt }) => [store, confirmedAt !== null])).toEqual([
      ['database', true],
      ['key-store', true],
    ]);
    expect(proof.galleries).toMatchObject([{ kind: 'flat', outcome: 'passed' }]);
    expect(JSON.stringify(proof)).not.toContain(id);
    const { signature, ...statement } = proof;
    const key = createPublicKey({ key: Buffer.from(signature.publicKey, 'base64'), format: 'der', type: 'spki' });
    const isSigned = (said: unknown) =>
      verify(null, Buffer.from(canonicalJson(said)), key, Buffer.from(signature.value, 'base64'));
    expect(isSigned(statement)).toBe(true);
    expect(isSigned({ ...statement, complete: false })).toBe(false);
    expect(await proofOf(proof.erasureId)).toEqual(proof);

    const { rows } = await execute(sql`SELECT (SELECT count(*)::int FROM cloud.person WHERE id = ${id}) AS people,
      (SELECT count(*)::int FROM cloud.template WHERE person_id = ${id}) AS templates,
      (SELECT count(*)::int FROM cloud.erasure WHERE person_id = ${id}) AS ties,
      (SELECT count(*)::int FROM cloud.audit_entry WHERE subject_id = ${id}) AS audited`);
    expect(rows).toEqual([{ people: 0, templates: 0, ties: 0, audited: 0 }]);
    expect((await cloud.request({ url: `/v1/people/${id}` })).statusCode).toBe(404);
    expect((await cloud.request({ url: `/v1/people/${id}/erasure` })).statusCode).toBe(404);
  });

  it('destroys the key, so that rows of a backup do not open', async () => {
    const { id } = await enrolAlong(api, 'Marker Hopper', 2);
    const { rows } = await execute(sql`SELECT tenant_id AS "tenantId", id, sealed_name AS "sealedName",
      sealed_external_id AS "sealedExternalId" FROM cloud.person WHERE id = ${id}`);
    const backup = rows as unknown as Parameters<PersonalData['openIdentities']>[0];
    const personalData = api.app.get(PersonalData);
    expect([...(await personalData.openIdentities(backup)).values()]).toMatchObject([{ name: 'Marker Hopper' }]);
    await erase(id);
    expect((await personalData.openIdentities(backup)).size).toBe(0);
    expect(await personalData.keys.states([{ tenantId: TENANT, personId: id }])).toEqual(['destroyed']);
  });

  it('lists a box that is away until its receipt arrives', async () => {
    const device = await startTestDevice(cloud, 'box-1');
    const box = await TestBoxCache.of(device);
    await box.born();
    const { id } = await enrolAlong(api, 'Marker Curie', 3);
    await until(() => (box.people.has(id) ? true : undefined), 'the person on the box');
    box.refuses = 'silence';
    const response = await cloud.request({ method: 'DELETE', url: `/v1/people/${id}` });
    expect(response.statusCode).toBe(204);
    const erasureId = String(response.headers.location).split('/').at(-1) ?? '';
    const audited = await execute(sql`SELECT action, subject_id AS subject FROM cloud.audit_entry
      WHERE subject_id IN (${id}, ${erasureId})`);
    expect(audited.rows).toEqual([{ action: 'erasure.request', subject: erasureId }]);
    await advanceAll();
    expect(await proofOf(erasureId)).toMatchObject({
      complete: false,
      devices: [{ deviceId: 'box-1', confirmedAt: null }],
    });
    const page = (await cloud.request({ url: '/v1/erasures?limit=1' })).json<rest.ErasurePage>();
    expect(page.items).toMatchObject([{ id: erasureId, complete: false, outstandingDevices: 1 }]);
    box.refuses = undefined;
    await box.born();
    await until(async () => ((await proofOf(erasureId)).devices[0]?.confirmedAt ? true : undefined), 'the receipt');
    // The job may be at it at the same time.
    await until(async () => {
      await advanceAll();
      return (await proofOf(erasureId)).complete ? true : undefined;
    }, 'the proof');
    const { rows } = await execute(sql`SELECT count(*)::int AS ties FROM cloud.erasure WHERE person_id IS NOT NULL`);
    expect(rows).toEqual([{ ties: 0 }]);
  });

  it('of nobody is refused, as is the proof of none', async () => {
    const nobody = '0190a0a0-0000-7000-8000-000000000000';
    const response = await cloud.request({ method: 'POST', url: '/v1/erasures', payload: { personId: nobody } });
    expect(response.json()).toMatchObject({ status: 404, code: 'PERSON.NOT_FOUND' });
    expect((await cloud.request({ url: `/v1/erasures/${nobody}` })).json()).toMatchObject({
      code: 'ERASURE.NOT_FOUND',
    });
  });

  it.each([
    ['before its rows are gone', 'DELETE ON cloud.person', true],
    ['between the rows and the key', 'UPDATE OF key_destroyed_at ON cloud.erasure', false],
    ['before a gallery is noted', 'INSERT ON cloud.erasure_gallery', false],
    ['before a gallery has confirmed', 'UPDATE OF outcome ON cloud.erasure_gallery', false],
    ['before the feed forgets', 'DELETE ON cloud.gallery_change', false],
    ['before it is complete', 'UPDATE OF completed_at ON cloud.erasure', false],
  ])('goes on after a fault %s', async (_, on, isWhole) => {
    const { id } = await enrolAlong(api, 'Marker Noether', 4);
    await failing(on, async () => {
      const response = await cloud.request({ method: 'POST', url: '/v1/erasures', payload: { personId: id } });
      expect(response.statusCode).toBe(500);
    });
    const open = await execute(sql`SELECT id FROM cloud.erasure WHERE completed_at IS NULL`);
    if (isWhole) {
      // Nothing has happened: the person is as before.
      expect(open.rows).toEqual([]);
      expect((await cloud.request({ url: `/v1/people/${id}` })).json()).toMatchObject({ name: 'Marker Noether' });
      return;
    }
    expect(open.rows).toHaveLength(1);
    // Whoever comes next knows what is in the database alone.
    if (on.includes('key_destroyed_at')) {
      await api.stop();
      api = await cloud.restart();
    }
    await until(async () => {
      await advanceAll();
      return (await proofOf(String(open.rows[0]?.id))).complete ? true : undefined;
    }, 'the proof');
    const states = await api.app.get(PersonalData).keys.states([{ tenantId: TENANT, personId: id }]);
    expect(states).toEqual(['destroyed']);
  });

  it('waits for a key store that cannot be reached', async () => {
    const { id } = await enrolAlong(api, 'Marker Meitner', 5);
    const store = api.app.get<PersonKeyStore>(KEY_STORE);
    const away = vi.spyOn(store, 'destroy').mockRejectedValueOnce(new Error('away'));
    const response = await cloud.request({ method: 'POST', url: '/v1/erasures', payload: { personId: id } });
    expect(response.statusCode).toBe(500);
    expect(away).toHaveBeenCalledOnce();
    await until(async () => {
      await advanceAll();
      const { items } = (await cloud.request({ url: '/v1/erasures?limit=1' })).json<rest.ErasurePage>();
      return items[0]?.complete ? true : undefined;
    }, 'the end of it');
  });

  it('is made again when a backup brings the person back', async () => {
    const { id } = await enrolAlong(api, 'Marker Franklin', 6);
    await execute(sql`CREATE TABLE cloud.test_backup AS SELECT * FROM cloud.person WHERE id = ${id}`);
    await erase(id);
    await execute(sql`INSERT INTO cloud.person SELECT * FROM cloud.test_backup`);
    const list = await cloud.request({ url: '/v1/people?limit=500' });
    expect(list.json<rest.PersonPage>().items.map((person) => person.id)).not.toContain(id);
    expect(await api.app.get(DestroyedPeople).eraseAgain(new AbortController().signal)).toBe(1);
    const { rows } = await execute(sql`SELECT count(*)::int AS people FROM cloud.person WHERE id = ${id}`);
    expect(rows).toEqual([{ people: 0 }]);
  });
});
