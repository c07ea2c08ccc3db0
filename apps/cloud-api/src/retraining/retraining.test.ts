import type { rest } from '@sightline/contracts';
import { inTransaction } from '@sightline/database';
import { newSightingId, seededIntegers, type PersonId } from '@sightline/kernel';
import type { OpenSetDecision } from '@sightline/matching';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DecisionExpiry } from '../identification/decision-expiry.js';
import { keepProbes } from '../identification/kept-probes.js';
import { ProbeKeeping } from '../identification/probe-keeping.js';
import { Retentions } from '../retention/retentions.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { enrolPeople } from '../testing/enrol.js';
import { axis, DIMENSION, templateOf, VARIANT } from '../testing/fake-release.js';
import { startTestCloud, TENANT, type TestCloud } from '../testing/test-cloud.js';
import { sightingPayload, startTestDevice, until, wireTemplate, type TestDevice } from '../testing/test-device.js';
import { requestAs } from '../testing/two-tenants.js';
import { Evaluations } from './evaluations.js';

const PEOPLE = 40;
/** Whoever was not recognised at one of their sightings, and was named in its review. */
const MISSED = 8;
const DAY_MS = 86_400_000;

let cloud: TestCloud;
let device: TestDevice;
let people: readonly PersonId[];
const random = seededIntegers(7);
/** Vectors of 16 components are 0.25 apart from a right angle, as a rule: far more false matches than a calibration says. */
const faces = Array.from({ length: PEOPLE }, () => direction());

function direction(): Float32Array {
  // Sums of uniform numbers are close enough to a normal distribution.
  const component = () => Array.from({ length: 6 }, () => random(1000) / 1000 - 0.5).reduce((sum, one) => sum + one, 0);
  return Float32Array.from({ length: DIMENSION }, component);
}

const near = (face: Float32Array, noise: number): Float32Array => {
  const other = direction();
  return face.map((value, at) => value + noise * (other[at] ?? 0));
};

beforeAll(async () => {
  cloud = await startTestCloud();
  device = await startTestDevice(cloud, 'box-1');
  const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
  const templates = faces.map((face) => [templateOf(face, protector, { codec: 'float16' })]);
  const enrolled = await enrolPeople(
    cloud.api,
    templates.map((own, at) => ({ name: `Person ${at}`, templates: own })),
  );
  people = enrolled.ids;
  const rules = { falseMatchRate: 0.01, falsePositiveRate: null };
  await call('PUT', '/v1/decision-policy', { rules, retention: { unknownHours: 24 } });
});
afterAll(async () => {
  await device.connection.close();
  await cloud.stop();
});

const execute = (query: ReturnType<typeof sql>) => cloud.api.database.db.execute(query);

async function call<T>(method: 'GET' | 'PUT' | 'POST' | 'DELETE', url: string, payload?: object): Promise<T> {
  const response = await cloud.request({ method, url, ...(payload && { payload }) });
  return response.body === '' ? ({} as T) : response.json<T>();
}

/** A sighting of somebody, decided, reviewed, and with its probe kept. */
async function reviewed(at: number, { noise, missed = false }: { noise: number; missed?: boolean }): Promise<string> {
  const { app, database } = cloud.api;
  const protector = await app.get(TemplateKeys).protector(TENANT, DIMENSION);
  const [personId, face] = [people[at], faces[at]];
  if (personId === undefined || face === undefined) throw new Error('nobody');
  const [id, now] = [newSightingId(), new Date()];
  const bar = { threshold: 0.4, falseMatchRate: 0.01 };
  const decision: OpenSetDecision = missed
    ? { ...bar, outcome: 'unknown' }
    : { ...bar, outcome: 'identified', personId, score: 0.9 };
  const probe = templateOf(near(face, noise), protector);
  const [kept] = await app.get(ProbeKeeping).seal([{ tenantId: TENANT, probe, decision }]);
  if (kept === undefined) throw new Error('the probe is not kept');
  await execute(sql`
    INSERT INTO cloud.sighting (tenant_id, id, device_id, site_id, camera_id, phase, revision, first_seen_at, last_seen_at,
      device_first_seen_ms, device_last_seen_ms, boot_id, clock_synchronised, dating, received_at, latency_ms, quality,
      frames, replayed, release_digest, trial_arm, stage_ms)
    VALUES (${TENANT}, ${id}, 'box-1', 'lobby', 'door', 'close', 1, ${now}, ${now}, 0, 0, 'b', true, 'monotonic', ${now},
      1, 0.8, 5, false, 'd', '', '{}')`);
  await execute(sql`
    INSERT INTO cloud.identification (tenant_id, sighting_id, revision, outcome, person_id, threshold, false_match_rate,
      identify_ms, decided_at)
    VALUES (${TENANT}, ${id}, 1, ${decision.outcome}, ${missed ? null : personId}, 0.4, 0.01, 1, ${now})`);
  await execute(sql`
    INSERT INTO cloud.identification_review (tenant_id, sighting_id, revision, verdict, person_id, actor, reviewed_at)
    VALUES (${TENANT}, ${id}, 1, ${missed ? 'is-person' : 'confirmed'}, ${personId}, 'key:x', ${now})`);
  const decided = [{ tenantId: TENANT, sightingId: id, revision: 1, decision, kept }];
  await inTransaction(database, (tx) => keepProbes(tx, [{ tenantId: TENANT, id, revision: 1 }], { decided, now }));
  return id;
}

const range = () => ({
  from: new Date(Date.now() - DAY_MS).toISOString(),
  until: new Date(Date.now() + DAY_MS).toISOString(),
});
const newSet = () =>
  call<rest.LabelledSet>('POST', '/v1/labelled-sets', { sites: ['lobby'], purpose: 'thresholds', ...range() });
const readSet = ({ id }: { readonly id: string }) => call<rest.LabelledSet>('GET', `/v1/labelled-sets/${id}`);

async function done({ id }: { readonly id: string }): Promise<rest.SiteEvaluation> {
  return until(async () => {
    const found = await call<rest.SiteEvaluation>('GET', `/v1/evaluations/${id}`);
    return found.state === 'waiting' ? undefined : found;
  }, 'the end of an evaluation');
}
async function evaluated(set: rest.LabelledSet): Promise<rest.SiteEvaluation> {
  const payload = { labelledSetId: set.id, siteId: 'lobby' };
  return done(await call<rest.SiteEvaluation>('POST', '/v1/evaluations', payload));
}
const proposalsOf = ({ proposalIds }: rest.SiteEvaluation) =>
  Promise.all(proposalIds.map((id) => call<rest.RetrainingProposal>('GET', `/v1/proposals/${id}`)));
const decide = (id: string, how: 'accept' | 'revert' | 'dismiss') =>
  call<rest.RetrainingProposal & rest.Problem>('POST', `/v1/proposals/${id}/${how}`);

let set: rest.LabelledSet;
let recalibration: rest.RetrainingProposal | undefined;

describe('the retraining loop', () => {
  it('is off by default, site by site', async () => {
    expect(await call('GET', '/v1/retraining')).toMatchObject({ sites: [], changedAt: null });
    expect(await newSet()).toMatchObject({ code: 'RETRAINING.SITE_OFF' });
    await call('PUT', '/v1/retraining', { sites: ['gate'] });
    expect(await newSet()).toMatchObject({ code: 'RETRAINING.SITE_OFF' });
    expect(await call('PUT', '/v1/retraining', { sites: ['lobby'] })).toMatchObject({ falseNonMatchRate: 0.05 });
  });

  it('says how many labels are missing, and nothing else, where there are too few', async () => {
    const empty = await newSet();
    expect(empty).toMatchObject({ version: 1, members: { atFirst: 0, now: 0 }, approvedAt: null });
    const result = await evaluated(empty);
    expect(result).toMatchObject({ state: 'done', cause: 'request' });
    // The rule of three: 3 / 0.01 pairs, and 30 people.
    expect(result.figures?.missing).toEqual({ people: 30, pairs: 299, morePeople: 30 });
    expect(result.figures?.calibrated).toBeNull();
    expect(result.figures?.trueAcceptRates.every(({ point }) => point === null)).toBe(true);
    const [proposal] = await proposalsOf(result);
    expect(proposal).toMatchObject({ kind: 'insufficient-evidence', state: 'open', recalibration: null });
    expect(await decide(proposal?.id ?? '', 'accept')).toMatchObject({ code: 'PROPOSAL.NOT_OPEN' });
  });

  it('takes in what was reviewed, and counts it', async () => {
    for (let at = 0; at < PEOPLE; at += 1) await reviewed(at, { noise: 0.3 });
    for (let at = 0; at < MISSED; at += 1) await reviewed(at, { noise: 1, missed: true });
    set = await newSet();
    const all = PEOPLE + MISSED;
    expect(set).toMatchObject({
      ...{ version: 2, purpose: 'thresholds', sites: ['lobby'] },
      members: {
        atFirst: all,
        now: all,
        isPerson: all,
        notPerson: 0,
        withProbe: all,
        people: PEOPLE,
        erased: 0,
        expired: 0,
      },
    });
    expect((await call<rest.LabelledSetPage>('GET', '/v1/labelled-sets')).items.map(({ version }) => version)).toEqual([
      2, 1,
    ]);
  });

  it('evaluates the active release on them, and proposes another threshold where it must', async () => {
    const result = await evaluated(set);
    const { figures } = result;
    expect(figures?.labels).toMatchObject({
      ...{ probes: PEOPLE + MISSED, people: PEOPLE, identified: PEOPLE, others: MISSED, unusable: 0 },
      ...{ pairs: PEOPLE * (PEOPLE - 1), templates: PEOPLE, wholeGallery: true },
    });
    expect(figures?.active).toMatchObject({ threshold: 0.4, calibrationOffset: 0 });
    expect(figures?.active.falseMatch.low).toBeGreaterThan(0.01);
    expect(figures?.calibrated?.falseMatch.high).toBeLessThan(0.02);
    expect(figures?.calibrated?.threshold).toBeGreaterThan(0.45);
    expect(figures?.trueAcceptRates[0]).toMatchObject({ falseMatchRate: 0.01, point: figures?.calibrated });
    expect(figures?.trueAcceptRates[1]).toEqual({ falseMatchRate: 0.001, point: null }); // not carried
    const proposals = await proposalsOf(result);
    recalibration = proposals.find(({ kind }) => kind === 'recalibration');
    expect(recalibration?.recalibration).toEqual({
      offsetBefore: 0,
      offsetAfter: expect.closeTo((figures?.calibrated?.threshold ?? 0) - 0.4, 4) as number,
    });
    const alerts = await execute(sql`SELECT details ->> 'proposal' AS proposal, site_id AS site FROM cloud.alert
      WHERE kind = 'retraining' ORDER BY raised_at, details ->> 'proposal' DESC`);
    expect(alerts.rows.slice(0, 2)).toEqual([
      { proposal: 'insufficient-evidence', site: 'lobby' },
      { proposal: 'recalibration', site: 'lobby' },
    ]);
    const superseded = await call<rest.RetrainingProposalPage>('GET', '/v1/proposals?state=superseded');
    expect(superseded.items.map(({ kind }) => kind)).toEqual(['insufficient-evidence']);
  });

  it('asks for another release where no threshold keeps both targets', async () => {
    await call('PUT', '/v1/retraining', { sites: ['lobby'], falseNonMatchRate: 0.001, margin: 0 });
    for (let at = 0; at < PEOPLE; at += 1) await reviewed(at, { noise: 1.2 });
    const proposals = await proposalsOf(await evaluated(await newSet()));
    expect(proposals.map(({ kind }) => kind)).toContain('candidate-release');
    recalibration = proposals.find(({ kind }) => kind === 'recalibration');
    const wanted = proposals.find(({ kind }) => kind === 'candidate-release');
    expect(await decide(wanted?.id ?? '', 'accept')).toMatchObject({ state: 'accepted', recalibration: null });
    expect(await decide(wanted?.id ?? '', 'revert')).toMatchObject({ state: 'reverted' });
  });
});

describe('a recalibration', () => {
  const policy = () => call<rest.DecisionPolicy>('GET', '/v1/decision-policy');
  let sequence = 0;
  const decidedNow = async () => {
    const protector = await cloud.api.app.get(TemplateKeys).protector(TENANT, DIMENSION);
    const sightingId = newSightingId();
    const templates = [wireTemplate(templateOf(axis(1), protector))];
    await device.send([{ sequence: (sequence += 1), payload: sightingPayload({ sightingId, templates }) }]);
    await until(() => device.identifications.find((one) => one.sightingId === sightingId), 'a decision');
    return call<rest.Identification>('GET', `/v1/identifications/${sightingId}:1`);
  };

  it('is a new version of the decision policy, by which the site’s sightings are decided and explained', async () => {
    const before = await policy();
    const offset = recalibration?.recalibration?.offsetAfter ?? 0;
    expect(await decide(recalibration?.id ?? '', 'accept')).toMatchObject({ state: 'accepted' });
    expect(await policy()).toMatchObject({
      version: before.version + 1,
      rules: before.rules,
      recalibrations: [{ siteId: 'lobby', variantDigest: VARIANT, offset }],
    });
    const decision = await decidedNow();
    expect(decision.threshold).toBeCloseTo(0.4 + offset, 6);
    expect(decision.target?.calibrationOffset).toBe(offset);
    expect(await decide(recalibration?.id ?? '', 'accept')).toMatchObject({ code: 'PROPOSAL.NOT_OPEN' });
  });

  it('can be taken back, unless somebody has changed it since', async () => {
    const { version, effective, effectiveRetention, changedAt, ...rest } = await policy();
    const changed = rest.recalibrations.map((one) => ({ ...one, offset: 0.2 }));
    await call('PUT', '/v1/decision-policy', { ...rest, recalibrations: changed });
    expect(await decide(recalibration?.id ?? '', 'revert')).toMatchObject({ code: 'PROPOSAL.NOT_OPEN' });
    await call('PUT', '/v1/decision-policy', rest);
    expect(await decide(recalibration?.id ?? '', 'revert')).toMatchObject({ state: 'reverted' });
    const after = await policy();
    expect([after.version > version, after.recalibrations]).toEqual([true, []]);
    expect((await decidedNow()).threshold).toBeCloseTo(0.4, 6);
    expect([effective, effectiveRetention, changedAt].length).toBe(3);
  });

  it('is in the audit, with who decided', async () => {
    const { rows } = await execute(sql`SELECT action FROM cloud.audit_entry
      WHERE subject_kind = 'proposal' AND subject_id = ${recalibration?.id ?? ''} ORDER BY sequence`);
    expect(rows).toEqual([{ action: 'proposal.accepted' }, { action: 'proposal.reverted' }]);
  });
});

describe('a labelled set', () => {
  it('is exported once somebody else has approved its purpose', async () => {
    const url = `/v1/labelled-sets/${set.id}`;
    expect(await call('GET', `${url}/export`)).toMatchObject({ code: 'LABELLED_SET.NOT_APPROVED' });
    expect(await call('POST', `${url}/approval`)).toMatchObject({ code: 'LABELLED_SET.OWN_APPROVAL' });
    const auditor = await call<rest.NewApiKey>('POST', '/v1/api-keys', { label: 'auditor', role: 'auditor' });
    const approval = await requestAs(cloud, auditor.secret, { method: 'POST', url: `${url}/approval` });
    expect(approval.json()).toMatchObject({ approvedAt: expect.any(String) as string });
    const { body } = await cloud.request({ url: `${url}/export` });
    const lines = body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as rest.LabelledMember);
    expect(lines).toHaveLength(PEOPLE + MISSED);
    expect(lines.every(({ label, hasProbe, siteId }) => label === 'is-person' && hasProbe && siteId === 'lobby')).toBe(
      true,
    );
    expect(body).not.toContain('Person');
  });

  it('follows a merge, and its undoing', async () => {
    const counted = async () => (await readSet(set)).members.people;
    const merge = await call<rest.Merge>('POST', `/v1/people/${people[20]}/merge`, { from: people[21] });
    expect(await counted()).toBe(PEOPLE - 1);
    await call('POST', `/v1/merges/${merge.id}/undo`);
    expect(await counted()).toBe(PEOPLE);
  });

  it('loses whoever is erased, with every probe that shows them, and says how many', async () => {
    const left = async () => (await execute(sql`SELECT count(*)::int AS count FROM cloud.kept_probe`)).rows[0];
    const before = (await left()) as { count: number };
    await call('DELETE', `/v1/people/${people[0]}`);
    expect((await readSet(set)).members).toMatchObject({
      ...{ atFirst: PEOPLE + MISSED, now: PEOPLE + MISSED - 2, erased: 2, expired: 0, people: PEOPLE - 1 },
    });
    // Two of this set, one of which was sealed for nobody, and one of the next.
    expect(await left()).toEqual({ count: before.count - 3 });
  });

  it('loses whom retention forgets', async () => {
    await execute(sql`UPDATE cloud.identification SET decided_at = now() - interval '100 days'
      WHERE sighting_id = (SELECT min(sighting_id::text)::uuid FROM cloud.labelled_set_member WHERE set_id = ${set.id})`);
    await cloud.api.app.get(Retentions).pass(new AbortController().signal);
    expect((await readSet(set)).members).toMatchObject({ now: PEOPLE + MISSED - 3, erased: 2, expired: 1 });
  });

  it('keeps the probes of its members for evaluations, until it is deleted', async () => {
    const { app } = cloud.api;
    await execute(sql`UPDATE cloud.kept_probe SET expires_at = now() - interval '1 second'`);
    await app.get(DecisionExpiry).expire();
    const withProbe = (await readSet(set)).members.withProbe;
    expect(withProbe).toBe(PEOPLE + MISSED - 3);
    expect((await evaluated(set)).figures?.labels.probes).toBe(withProbe);
    for (const { id } of (await call<rest.LabelledSetPage>('GET', '/v1/labelled-sets')).items) {
      await call('DELETE', `/v1/labelled-sets/${id}`);
    }
    await app.get(DecisionExpiry).expire();
    const { rows } = await execute(sql`SELECT FROM cloud.kept_probe`);
    expect(rows).toEqual([]);
    expect(await readSet(set)).toMatchObject({ code: 'LABELLED_SET.NOT_FOUND' });
  });
});

describe('a drift', () => {
  const evaluations = () => call<rest.SiteEvaluationPage>('GET', '/v1/evaluations');
  const drift = (siteId: string, since: Date) =>
    cloud.api.app.get(Evaluations).startAfterDrift({ tenantId: TENANT, siteId, since });

  it('has the site evaluated once, where the loop is on and there are labels', async () => {
    const before = (await evaluations()).items.length;
    const since = new Date();
    await drift('lobby', since);
    expect((await evaluations()).items).toHaveLength(before);
    await newSet();
    await drift('gate', since);
    await drift('lobby', since);
    await drift('lobby', since);
    const { items } = await evaluations();
    expect(items).toHaveLength(before + 1);
    expect(items[0]).toMatchObject({ cause: 'drift', siteId: 'lobby' });
    if (items[0]) await done(items[0]);
  });
});
