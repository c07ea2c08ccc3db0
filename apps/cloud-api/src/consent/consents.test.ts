import type { rest } from '@sightline/contracts';
import { newSightingId, type PersonId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { StartedCloudApi } from '../start-cloud-api.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { enrolAlong } from '../testing/enrol.js';
import { axis, DIMENSION, templateOf } from '../testing/fake-release.js';
import { TestBoxCache } from '../testing/test-box-cache.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, until, wireTemplate, type TestDevice } from '../testing/test-device.js';
import { GalleryFollower } from '../identification/gallery-follower.js';
import { ConsentExpiry } from './consent-expiry.js';

let cloud: TestCloud;
let api: StartedCloudApi;
let device: TestDevice;
let box: TestBoxCache;
let ada: PersonId;
let sequence = 0;

beforeAll(async () => {
  cloud = await startTestCloud();
  ({ api } = cloud);
  ({ id: ada } = await enrolAlong(api, 'Ada', 0));
  device = await startTestDevice(cloud, 'box-1');
  box = await TestBoxCache.of(device);
  await box.born();
  await until(() => (box.people.has(ada) ? true : undefined), 'the person on the box');
});
afterAll(() => cloud.stop());

const consentsOf = async (id: string) =>
  (await cloud.request({ url: `/v1/people/${id}/consents` })).json<rest.Consents>();
async function give(id: string, payload: rest.RecordConsent): Promise<rest.Consent> {
  const response = await cloud.request({ method: 'POST', url: `/v1/people/${id}/consents`, payload });
  expect(response.statusCode).toBe(201);
  return response.json<rest.Consent>();
}
const withdraw = (id: string, consentId: string) =>
  cloud.request({ method: 'POST', url: `/v1/people/${id}/consents/${consentId}/withdraw` });
const judgeAnew = () => api.app.get(ConsentExpiry).pass(new AbortController().signal);
async function followed(): Promise<void> {
  const { rows } = await api.database.db.execute<{ version: string }>(sql`SELECT version FROM cloud.gallery_version`);
  await api.app.get(GalleryFollower).passed(Number(rows[0]?.version));
}

/** Who is decided to have been seen by a camera. */
async function seen(axisIndex: number): Promise<string> {
  const protector = await api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
  const templates = [wireTemplate(templateOf(axis(axisIndex), protector))];
  const sightingId = newSightingId();
  await device.send([{ sequence: ++sequence, payload: sightingPayload({ sightingId, templates }) }]);
  const decided = await until(async () => {
    const response = await cloud.request({ url: `/v1/sightings/${sightingId}` });
    return response.statusCode === 200 ? response.json<rest.Sighting>() : undefined;
  }, 'the decision');
  return decided.decision.person?.name ?? decided.decision.outcome;
}

describe('consent', () => {
  it('is not asked for, unless the tenant says so', async () => {
    expect((await cloud.request({ url: '/v1/consent-policy' })).json()).toEqual({ required: [] });
    expect(await consentsOf(ada)).toEqual({
      permitted: ['access', 'attendance', 'photo-search', 'watch-list'],
      consents: [],
    });
    expect(await seen(0)).toBe('Ada');
  });

  it('that was withdrawn ends at once: no camera, box or search finds the person for that purpose', async () => {
    const evidence = 'Form 4711, drawer 3';
    const given = await give(ada, { purpose: 'photo-search', legalBasis: 'consent', evidence });
    expect(given).toMatchObject({ evidence, withdrawnAt: null, expiresAt: null });
    const { rows } = await api.database.db.execute<{ sealed: Buffer }>(
      sql`SELECT sealed_evidence AS sealed FROM cloud.consent WHERE id = ${given.id}`,
    );
    expect(rows[0]?.sealed.includes(evidence)).toBe(false);
    expect((await withdraw(ada, given.id)).json()).toMatchObject({ id: given.id, evidence });
    const withdrawn = await consentsOf(ada);
    expect(withdrawn.permitted).toEqual(['access', 'attendance', 'watch-list']);
    expect((await withdraw(ada, given.id)).json()).toMatchObject({ withdrawnAt: withdrawn.consents[0]?.withdrawnAt });
    expect(await seen(0)).toBe('Ada');
    for (const purpose of ['access', 'attendance', 'watch-list'] as const) {
      await withdraw(ada, (await give(ada, { purpose, legalBasis: 'consent' })).id);
    }
    expect(await seen(0)).toBe('unknown');
    await until(() => (box.people.has(ada) ? undefined : true), 'the box without the person');
  });

  it('that is given anew brings the person back, to the box too', async () => {
    await give(ada, { purpose: 'access', legalBasis: 'contract' });
    await followed();
    expect(await seen(0)).toBe('Ada');
    await until(() => (box.people.has(ada) ? true : undefined), 'the person on the box');
  });

  it('that the tenant requires is asked of everybody, and of newcomers', async () => {
    const { id: grace } = await enrolAlong(api, 'Grace', 3);
    const payload = { required: ['access', 'attendance', 'photo-search', 'watch-list'] };
    expect((await cloud.request({ method: 'PUT', url: '/v1/consent-policy', payload })).statusCode).toBe(200);
    await judgeAnew();
    await followed();
    expect((await consentsOf(grace)).permitted).toEqual([]);
    expect((await consentsOf(ada)).permitted).toEqual(['access']);
    expect(await seen(3)).toBe('unknown');
    const { id: hedy } = await enrolAlong(api, 'Hedy', 6);
    expect((await consentsOf(hedy)).permitted).toEqual([]);
    expect(await seen(6)).toBe('unknown');
  });

  it('begins and ends by itself', async () => {
    const { id } = await enrolAlong(api, 'Mary', 9);
    const now = Date.now();
    const expiresAt = new Date(now + 1500).toISOString();
    await give(id, { purpose: 'attendance', legalBasis: 'consent', expiresAt });
    await followed();
    expect((await consentsOf(id)).permitted).toEqual(['attendance']);
    expect(await seen(9)).toBe('Mary');
    await until(() => (Date.now() > now + 1500 ? true : undefined), 'its end');
    await judgeAnew();
    expect((await consentsOf(id)).permitted).toEqual([]);
    expect(await seen(9)).toBe('unknown');
  });

  it('of nobody, or of another person, is not there', async () => {
    const nobody = '0190a0a0-0000-7000-8000-000000000000';
    expect((await cloud.request({ url: `/v1/people/${nobody}/consents` })).json()).toMatchObject({
      code: 'PERSON.NOT_FOUND',
    });
    const { consents } = await consentsOf(ada);
    const { id: other } = await enrolAlong(api, 'Rosalind', 12);
    expect((await withdraw(other, consents[0]?.id ?? '')).json()).toMatchObject({ code: 'CONSENT.NOT_FOUND' });
  });
});
