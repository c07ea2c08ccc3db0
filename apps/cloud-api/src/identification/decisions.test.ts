import { IdentificationOutcome, type rest } from '@sightline/contracts';
import { inTransaction } from '@sightline/database';
import { newPersonId, newSightingId, type PersonId } from '@sightline/kernel';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { hardNegative, keptProbe } from '../storage/decision-schema.js';
import { identification } from '../storage/schema.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { enrolAlong } from '../testing/enrol.js';
import { axis, DIMENSION, SPACE, templateOf, VARIANT } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, until, wireTemplate, type TestDevice } from '../testing/test-device.js';
import { DecisionExpiry } from './decision-expiry.js';
import { forgetPerson } from './forget-person.js';

let cloud: TestCloud;
let device: TestDevice;
let ada: PersonId;
let bob: PersonId;
let eve: PersonId;
let sequence = 0;

beforeAll(async () => {
  cloud = await startTestCloud();
  device = await startTestDevice(cloud, 'box-1');
  // Neighbouring axes: a probe between them is as near to one as to the other.
  ada = (await enrolAlong(cloud.api, 'Ada', 0)).id;
  bob = (await enrolAlong(cloud.api, 'Bob', 1)).id;
  eve = (await enrolAlong(cloud.api, 'Eve', 8)).id;
});
afterAll(async () => {
  await device.connection.close();
  await cloud.stop();
});

/** A sighting of somebody, decided. */
async function seen(axisIndex: number, tilt = 0, changes: Parameters<typeof sightingPayload>[0] = {}) {
  const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
  const sightingId = newSightingId();
  const templates = [wireTemplate(templateOf(axis(axisIndex, tilt), protector))];
  sequence += 1;
  await device.send([{ sequence, payload: sightingPayload({ sightingId, templates, ...changes }) }]);
  const answer = await until(
    () => device.identifications.find((one) => one.sightingId === sightingId),
    'an identification',
  );
  return { answer, id: `${sightingId}:1`, sightingId };
}

async function explained(id: string): Promise<rest.Identification> {
  const response = await cloud.request({ url: `/v1/identifications/${id}` });
  expect(response.statusCode).toBe(200);
  return response.json<rest.Identification>();
}

async function setPolicy(policy: rest.PutDecisionPolicy): Promise<rest.DecisionPolicy> {
  const response = await cloud.request({ method: 'PUT', url: '/v1/decision-policy', payload: policy });
  expect(response.statusCode).toBe(200);
  return response.json<rest.DecisionPolicy>();
}

const review = (id: string, payload: rest.ReviewIdentification) =>
  cloud.request({ method: 'POST', url: `/v1/identifications/${id}/review`, payload });

describe('an identification', () => {
  it('says rule by rule what it rests on', async () => {
    const { id, sightingId } = await seen(8, 0.2);
    expect(await explained(id)).toMatchObject({
      ...{ id, sightingId, revision: 1, outcome: 'identified', person: { id: eve, name: 'Eve' }, refusalCode: null },
      ...{ threshold: 0.5, falseMatchRate: 1e-3, local: null, review: null },
      target: {
        ...{ falseMatchRate: 1e-3, falsePositiveRate: 0.01, templatesSearched: 3, calibrationLimited: false },
        expectedFalsePositiveRate: expect.closeTo(0.003, 5) as number,
      },
      calibration: { releaseVersion: '1.0.0', modelSpace: SPACE, variantDigest: VARIANT, probeVariantDigest: VARIANT },
      policy: { use: 'general', version: 0, site: null, groups: [] },
      rules: [
        { rule: 'comparable', verdict: 'passed' },
        { rule: 'quality', verdict: 'not-applied' },
        { rule: 'presentation', verdict: 'not-applied' },
        { rule: 'threshold', verdict: 'passed', required: 0.5, found: expect.closeTo(0.98, 2) as number },
        { rule: 'hard-negatives', verdict: 'not-applied' },
        { rule: 'margin', verdict: 'passed', required: 0.05, found: expect.closeTo(0.98, 1) as number },
      ],
      candidates: [{ person: { id: eve, name: 'Eve' }, failed: null, hardNegativeScore: null }],
    });
  });

  it('that lies between two people is ambiguous, for the box, the list and the explanation', async () => {
    const { answer, id, sightingId } = await seen(0, 1);
    expect(answer).toMatchObject({ outcome: IdentificationOutcome.AMBIGUOUS, personId: '', groups: [] });
    expect([...answer.ambiguousPersonIds].sort()).toEqual([ada, bob].sort());
    const { decision } = (await cloud.request({ url: `/v1/sightings/${sightingId}` })).json<rest.Sighting>();
    expect(decision).toMatchObject({ outcome: 'ambiguous', person: null });
    expect(decision.ambiguousBetween.map(({ name }) => name).sort()).toEqual(['Ada', 'Bob']);
    const found = (await cloud.request({ url: '/v1/sightings?outcome=ambiguous' })).json<rest.SightingPage>();
    expect(found.items.map((item) => item.id)).toEqual([sightingId]);
    const explanation = await explained(id);
    expect(explanation.candidates.map(({ failed }) => failed)).toEqual(['margin', 'margin']);
    expect(explanation.rules.at(-1)).toMatchObject({ rule: 'margin', verdict: 'failed' });
  });

  it('keeps what the box had decided beside it', async () => {
    const localDecision = { outcome: IdentificationOutcome.IDENTIFIED, personId: bob, score: 0.6 };
    const { id } = await seen(8, 0, {
      localDecision: { $typeName: 'sightline.v1.LocalDecision', ...defaults, ...localDecision },
    });
    expect((await explained(id)).local).toMatchObject({
      ...{ outcome: 'identified', person: { id: bob, name: 'Bob' }, differed: true },
    });
  });

  it('of each revision is listed, the last first, page by page', async () => {
    const { sightingId } = await seen(8);
    const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
    const templates = [wireTemplate(templateOf(axis(8), protector))];
    for (const revision of [2, 3]) {
      sequence += 1;
      await device.send([{ sequence, payload: sightingPayload({ sightingId, templates, revision }) }]);
      await device.acked(sequence);
    }
    const page = async (query: string) =>
      (
        await cloud.request({ url: `/v1/identifications?sightingId=${sightingId}${query}` })
      ).json<rest.IdentificationPage>();
    const first = await page('&limit=2');
    expect(first.items.map(({ revision }) => revision)).toEqual([3, 2]);
    const second = await page(`&limit=2&cursor=${first.nextCursor}`);
    expect(second).toMatchObject({ items: [{ revision: 1 }], nextCursor: null });
  });

  it.each([
    ['of nobody', `${newSightingId()}:1`, 404, 'IDENTIFICATION.NOT_FOUND'],
    ['of a revision that cannot be', `${newSightingId()}:99999999999`, 400, 'REQUEST.INVALID'],
    ['without a revision', newSightingId(), 400, 'REQUEST.INVALID'],
  ])('%s is not found', async (_, id, status, code) => {
    const response = await cloud.request({ url: `/v1/identifications/${id}` });
    expect([response.statusCode, response.json<rest.Problem>().code]).toEqual([status, code]);
  });
});

describe('the policy', () => {
  it('asks for quality and live presentations in the cloud, whatever the box asks for', async () => {
    const rules = { minimumQuality: 0.5, presentation: { mode: 'require' as const, liveScore: 0.6 } };
    await setPolicy({ places: [{ deviceId: 'box-1', cameraId: 'vault', use: 'access', rules }] });
    const presentation = (liveScore: number) => ({
      presentationAttack: {
        ...{ $typeName: 'sightline.v1.PresentationAttack' as const, liveScore, shots: 2, requiredLiveScore: 0 },
      },
    });
    const at = async (changes: object) => {
      const { id } = await seen(8, 0, { cameraId: 'vault', ...changes });
      const { outcome, refusalCode, policy } = await explained(id);
      return [outcome, refusalCode, policy?.use];
    };
    expect(await at({ quality: 0.4, ...presentation(0.9) })).toEqual(['refused', 'SIGHTING.LOW_QUALITY', 'access']);
    expect(await at({})).toEqual(['refused', 'PRESENTATION.NOT_ASSESSED', 'access']);
    expect(await at(presentation(0.5))).toEqual(['refused', 'PRESENTATION.NOT_LIVE', 'access']);
    expect(await at(presentation(0.7))).toEqual(['identified', null, 'access']);
    expect(await at({ cameraId: 'yard' })).toEqual(['identified', null, 'general']);
  });

  it('narrows whom a place looks for, and the size that its threshold is corrected for', async () => {
    await cloud.request({ method: 'PATCH', url: `/v1/people/${ada}`, payload: { sites: ['branch'] } });
    await setPolicy({ places: [{ siteId: 'lobby', use: 'attendance', rules: { siteOnly: true } }] });
    const outcome = await until(async () => {
      const { id } = await seen(0);
      const { outcome: decided, target, policy } = await explained(id);
      return decided === 'unknown' ? { decided, target, policy } : undefined;
    }, 'a sighting without people of other sites');
    expect(outcome).toMatchObject({ policy: { use: 'attendance', site: 'lobby' }, target: { templatesSearched: 2 } });
    await cloud.request({ method: 'PATCH', url: `/v1/people/${ada}`, payload: { sites: [] } });
    await setPolicy({});
  });

  it('is shown with its defaults, and replaced only by who has seen it', async () => {
    const set = await setPolicy({ rules: { falsePositiveRate: 0.02 }, uses: { access: { margin: 0.2 } } });
    expect(set.effective.access).toMatchObject({ falsePositiveRate: 0.02, margin: 0.2, falseMatchRate: 1e-3 });
    const stale = { method: 'PUT' as const, url: '/v1/decision-policy', payload: { version: set.version - 1 } };
    const response = await cloud.request(stale);
    expect([response.statusCode, response.json<rest.Problem>().code]).toEqual([409, 'DECISION_POLICY.CONFLICT']);
    await setPolicy({ version: set.version });
    expect((await cloud.request({ url: '/v1/decision-policy' })).json()).toMatchObject({
      version: set.version + 1,
      rules: {},
    });
  });
});

describe('a review', () => {
  it('"not this person" is remembered, and refutes the next sighting of the same stranger alone', async () => {
    const { id } = await seen(8, 0.8);
    expect((await explained(id)).outcome).toBe('identified');
    const first = (await review(id, { verdict: 'not-this-person' })).json<rest.Identification>();
    expect(first.review).toMatchObject({ verdict: 'not-this-person', person: { name: 'Eve' }, hardNegatives: 1 });
    expect((await review(id, { verdict: 'not-this-person' })).json()).toEqual(first);

    const again = await explained((await seen(8, 0.8)).id);
    expect(again).toMatchObject({ outcome: 'unknown', candidates: [{ failed: 'hard-negatives' }] });
    expect(again.rules.find(({ rule }) => rule === 'hard-negatives')).toMatchObject({
      verdict: 'failed',
      required: 0.1,
    });
    expect((await explained((await seen(8)).id)).outcome).toBe('identified');

    const taken = (await review(id, { verdict: 'confirmed' })).json<rest.Identification>();
    expect(taken.review).toMatchObject({ verdict: 'confirmed', hardNegatives: 0 });
    expect((await explained((await seen(8, 0.8)).id)).outcome).toBe('identified');
  });

  it('of another person excludes everybody whom the decision names', async () => {
    const { id } = await seen(0, 1);
    const body = (await review(id, { verdict: 'is-person', personId: eve })).json<rest.Identification>();
    expect(body.review).toMatchObject({ person: { name: 'Eve' }, hardNegatives: 2 });
    await review(id, { verdict: 'is-person', personId: bob });
    const { db } = cloud.api.database;
    const rows = await db.select().from(hardNegative);
    expect(rows.map(({ personId, actualPersonId }) => [personId, actualPersonId])).toEqual([[ada, bob]]);
    await db.delete(hardNegative);
  });

  it.each([
    ['about nobody who exists', { verdict: 'is-person', personId: newPersonId() }, 404, 'PERSON.NOT_FOUND'],
    [
      'about somebody whom the decision does not name',
      { verdict: 'confirmed', personId: newPersonId() },
      409,
      'IDENTIFICATION.NOT_REVIEWABLE',
    ],
    ['that does not say who it is', { verdict: 'is-person' }, 400, 'REQUEST.INVALID'],
  ] as const)('%s is refused', async (_, payload, status, code) => {
    const { id } = await seen(8);
    const response = await review(id, payload);
    expect([response.statusCode, response.json<rest.Problem>().code]).toEqual([status, code]);
  });
});

it('reviews at once, and of somebody who is erased meanwhile, leave what the last one says and never fail inside', async () => {
  const { id: zoe } = await enrolAlong(cloud.api, 'Zoe', 12);
  const { id } = await seen(12);
  const verdicts = Array.from({ length: 6 }, (_, index) => (index % 2 === 0 ? 'confirmed' : 'not-this-person'));
  const answers = await Promise.all(verdicts.map((verdict) => review(id, { verdict })));
  expect(answers.map(({ statusCode }) => statusCode)).toEqual(verdicts.map(() => 200));
  const { review: stands } = await explained(id);
  expect(stands?.hardNegatives).toBe(stands?.verdict === 'confirmed' ? 0 : 1);

  const [gone, ...late] = await Promise.all([
    cloud.request({ method: 'DELETE', url: `/v1/people/${zoe}` }),
    ...verdicts.map((verdict) => review(id, { verdict })),
  ]);
  expect(gone.statusCode).toBeLessThan(300);
  for (const { statusCode } of late) expect([200, 404, 409]).toContain(statusCode);
  await until(async () => {
    const rows = await cloud.api.database.db.select().from(hardNegative).where(eq(hardNegative.personId, zoe));
    return rows.length === 0 ? true : undefined;
  }, 'nothing of somebody who was erased');
});

describe('what is kept of a probe', () => {
  it('is sealed, none of a stranger’s, and goes when it expires', async () => {
    const { db } = cloud.api.database;
    await db.delete(keptProbe);
    await seen(4);
    expect(await db.select().from(keptProbe)).toEqual([]);
    await setPolicy({ retention: { unknownHours: 1 } });
    const [stranger, named] = [await seen(4), await seen(8)];
    const rows = await db.select().from(keptProbe);
    expect(rows.map(({ sightingId, personId }) => [sightingId, personId])).toEqual(
      expect.arrayContaining([
        [stranger.sightingId, null],
        [named.sightingId, eve],
      ]),
    );
    await db
      .update(keptProbe)
      .set({ expiresAt: new Date(0) })
      .where(eq(keptProbe.sightingId, named.sightingId));
    expect(await cloud.api.app.get(DecisionExpiry).expire()).toBe(1);
    const reviewed = (await review(named.id, { verdict: 'not-this-person' })).json<rest.Identification>();
    expect(reviewed.review).toMatchObject({ hardNegatives: 0 });
    expect(await db.select({ id: keptProbe.sightingId }).from(keptProbe)).toEqual([{ id: stranger.sightingId }]);
    await setPolicy({});
  });
});

// Last: a person goes.
it('an erasure leaves nothing of a person in any explanation, kept probe or hard negative', async () => {
  const [between, alone] = [await seen(0, 1), await seen(1)];
  await review(between.id, { verdict: 'is-person', personId: bob });
  const { database } = cloud.api;
  await inTransaction(database, (tx) => forgetPerson(tx, TENANT, bob));
  expect((await cloud.request({ method: 'DELETE', url: `/v1/people/${bob}` })).statusCode).toBeLessThan(300);
  const rows = await database.db.select().from(identification);
  expect(JSON.stringify(rows)).not.toContain(bob);
  expect(JSON.stringify(rows)).toContain(ada);
  expect(await database.db.select().from(hardNegative)).toEqual([]);
  expect(JSON.stringify(await database.db.select().from(keptProbe))).not.toContain(bob);
  const after = await explained(between.id);
  expect(after.candidates.map(({ person }) => person.name)).toEqual(['Ada']);
  expect(after.review).toMatchObject({ verdict: 'is-person', person: null });
  expect(await explained(alone.id)).toMatchObject({ outcome: 'identified', person: null, candidates: [] });
});

const defaults = { threshold: 0.5, falseMatchRate: 1e-3, cacheId: '', cacheVersion: 0n };
