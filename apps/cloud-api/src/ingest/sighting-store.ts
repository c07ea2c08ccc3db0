import type { Transaction } from '@sightline/database';
import type { Clock, PersonId, SightingId, TenantId } from '@sightline/kernel';
import type { OpenSetDecision } from '@sightline/matching';
import { and, asc, eq, isNull, sql } from 'drizzle-orm';

import { isPermitted } from '../consent/purposes.js';
import { noteSeenAtSites } from '../edge-caches/seen-at-site.js';
import { decisionRecord } from '../identification/decision-record.js';
import { judge, type SearchResult } from '../identification/identification.js';
import { keepProbes } from '../identification/kept-probes.js';
import { noteImages, type ImagedSighting } from '../images/noted-images.js';
import { localDiffers, type LocalDecision } from '../identification/local-decision.js';
import { insertAsJson } from '../storage/json-rows.js';
import { identification, person, sighting } from '../storage/schema.js';
import { isOneOf } from '../storage/unnest.js';
import type { BootEpochs } from './boot-store.js';
import type { IngestBatch } from './decode-batch.js';
import { dateMoment } from './device-time.js';
import type { SightingRecord } from './sighting-record.js';
import { distinctByKey } from './stream-key.js';

export type StoredDecision = Pick<
  typeof identification.$inferSelect,
  'outcome' | 'personId' | 'score' | 'threshold' | 'falseMatchRate' | 'refusalCode' | 'localDiffered' | 'candidates'
>;

/** A stored decision with the groups that the person has now. */
export type AnsweredDecision = StoredDecision & { readonly groups: readonly string[] };

/** A sighting of a batch on its way into the database. */
export interface NewSighting {
  readonly batch: IngestBatch;
  readonly siteId: string;
  readonly replayed: boolean;
  readonly record: SightingRecord;
  readonly result: SearchResult;
  /** How long the search took, ms. */
  readonly searchMs: number;
}

/** A revision that is now its sighting's state. */
export interface ChangedSighting {
  readonly tenantId: TenantId;
  readonly id: SightingId;
  readonly revision: number;
}

/** By `revisionKey`: what every answer to a device is made from. */
export type Decisions = ReadonlyMap<string, AnsweredDecision>;

export const revisionKey = (tenantId: TenantId, sightingId: string, revision: number): string =>
  `${tenantId}/${sightingId}/${revision}`;

/** Which device each sighting belongs to that exists already, by `{tenant}/{sighting}`. */
export async function sightingOwners(
  tx: Transaction,
  sightings: readonly { readonly tenantId: TenantId; readonly sightingId: SightingId }[],
): Promise<Map<string, string>> {
  const ids = [...new Set(sightings.map(({ sightingId }) => sightingId))];
  const tenants = [...new Set(sightings.map(({ tenantId }) => tenantId))];
  if (ids.length === 0) return new Map();
  const rows = await tx
    .select({ tenantId: sighting.tenantId, id: sighting.id, deviceId: sighting.deviceId })
    .from(sighting)
    .where(and(isOneOf(sighting.tenantId, 'text', tenants), isOneOf(sighting.id, 'uuid', ids)));
  return new Map(rows.map(({ tenantId, id, deviceId }) => [`${tenantId}/${id}`, deviceId]));
}

/**
 * Decides and stores sightings. The highest revision wins, whatever order they come in; each revision keeps its
 * own decision.
 *
 * @returns the revisions that are now their sighting's state, and the decisions that are new
 */
export async function storeSightings(
  tx: Transaction,
  items: readonly NewSighting[],
  { epochs, now, clock }: { readonly epochs: BootEpochs; readonly now: Date; readonly clock: Clock },
): Promise<{ readonly changed: readonly ChangedSighting[]; readonly decided: Decisions }> {
  if (items.length === 0) return { changed: [], decided: new Map() };
  const startedMs = clock.monotonicMs();
  const enrolled = await lockPeople(tx, items);
  const decided = items.map((item) => {
    const { tenantId } = item.batch.address;
    const isEnrolled = (personId: PersonId) =>
      isPermitted(enrolled.get(`${tenantId}/${personId}`)?.purposes ?? [], item.result.rules.use);
    const judgement = judge(item.result, isEnrolled);
    return { item, judgement, local: localColumns(item.record.local, isEnrolled) };
  });
  const decideMs = clock.monotonicMs() - startedMs;
  const decisions = decided.map(({ item: { batch, record, result, searchMs }, judgement, local }) => ({
    tenantId: batch.address.tenantId,
    sightingId: record.sightingId,
    revision: record.revision,
    ...decisionColumns(judgement.decision),
    ...decisionRecord(result, judgement),
    ...local,
    localDiffered: localDiffers(record.local, judgement.decision),
    identifyMs: searchMs + decideMs,
    decidedAt: now,
  }));
  const fresh = await insertDecisions(tx, decisions);
  const rows = items.map((item) => sightingRow(item, epochs, now));
  const seen = rows.flatMap(({ tenantId, siteId, lastSeenAt }, index) => {
    const personId = decisions[index]?.personId ?? null;
    return personId === null ? [] : [{ tenantId, siteId, personId, lastSeenAt }];
  });
  await noteSeenAtSites(tx, seen, now);
  // One statement touches a row once: of several revisions in the group only the highest goes in.
  const newestFirst = rows.sort((a, b) => b.revision - a.revision);
  const newest = distinctByKey(newestFirst, ({ tenantId, id }) => `${tenantId}/${id}`);
  const changed = await upsert(tx, newest);
  await keepProbes(tx, changed, { decided: keptOf(decided), now });
  const permitted = (tenantId: TenantId, personId: PersonId) => enrolled.get(`${tenantId}/${personId}`)?.purposes ?? [];
  await noteImages(tx, imagesOf(decided, changed, newest), { permitted, now });
  return { changed, decided: new Map(fresh.map((row) => [keyOfDecision(row), answered(row, enrolled)])) };
}

type DecisionRow = typeof identification.$inferInsert & StoredDecision;

const keyOfDecision = ({ tenantId, sightingId, revision }: Omit<DecisionRow, keyof StoredDecision>): string =>
  revisionKey(tenantId, sightingId, revision);

/** @returns those that are new: a decision that is there stands */
async function insertDecisions(tx: Transaction, decisions: readonly DecisionRow[]): Promise<readonly DecisionRow[]> {
  const distinct = distinctByKey(decisions, keyOfDecision);
  const { rows } = await tx.execute<Parameters<typeof keyOfDecision>[0] & Record<string, unknown>>(sql`
    ${insertAsJson(identification, distinct)} ON CONFLICT DO NOTHING
    RETURNING tenant_id AS "tenantId", sighting_id AS "sightingId", revision`);
  const inserted = new Set(rows.map(keyOfDecision));
  return distinct.filter((row) => inserted.has(keyOfDecision(row)));
}

function answered(row: DecisionRow, enrolled: Enrolled): AnsweredDecision {
  const groups = row.personId === null ? [] : (enrolled.get(`${row.tenantId}/${row.personId}`)?.groups ?? []);
  return { ...row, groups };
}

interface Decided {
  readonly item: NewSighting;
  readonly judgement: { readonly decision: OpenSetDecision };
}

/** What refers to an image, of the revisions that are now their sighting's state. */
function imagesOf(
  decided: readonly Decided[],
  changed: readonly ChangedSighting[],
  rows: readonly (typeof sighting.$inferInsert)[],
): readonly ImagedSighting[] {
  const imaged = decided.filter(({ item }) => item.record.imageDigest !== undefined);
  if (imaged.length === 0) return [];
  const current = new Set(changed.map(({ tenantId, id, revision }) => revisionKey(tenantId, id, revision)));
  const seenAt = new Map(rows.map((row) => [revisionKey(row.tenantId, row.id, row.revision), row.lastSeenAt]));
  return imaged.flatMap(({ item: { batch, siteId, record }, judgement: { decision } }) => {
    const { sightingId, imageDigest: digest } = record;
    const key = revisionKey(batch.address.tenantId, sightingId, record.revision);
    const at = seenAt.get(key);
    return digest === undefined || at === undefined || !current.delete(key)
      ? []
      : [{ address: batch.address, siteId, sightingId, digest, seenAt: at, decision }];
  });
}

function keptOf(decided: readonly Decided[]) {
  return decided.flatMap(({ item: { batch, record, result }, judgement: { decision } }) => {
    const { sightingId, revision } = record;
    return result.kept === undefined
      ? []
      : [{ tenantId: batch.address.tenantId, sightingId, revision, decision, kept: result.kept }];
  });
}

/** The decisions about revisions that are stored already, by `revisionKey`. */
export async function readDecisions(
  tx: Transaction,
  revisions: readonly { readonly tenantId: TenantId; readonly sightingId: SightingId }[],
): Promise<Decisions> {
  const ids = [...new Set(revisions.map(({ sightingId }) => sightingId))];
  const tenants = [...new Set(revisions.map(({ tenantId }) => tenantId))];
  if (ids.length === 0) return new Map();
  const rows = await tx
    .select({ decision: identification, groups: person.groups })
    .from(identification)
    .leftJoin(person, and(eq(person.tenantId, identification.tenantId), eq(person.id, identification.personId)))
    .where(and(isOneOf(identification.tenantId, 'text', tenants), isOneOf(identification.sightingId, 'uuid', ids)));
  return new Map(
    rows.map(({ decision, groups }) => [
      revisionKey(decision.tenantId, decision.sightingId, decision.revision),
      { ...decision, groups: groups ?? [] },
    ]),
  );
}

/** Who is there to be named, by `{tenant}/{person}`. */
type Enrolled = ReadonlyMap<string, Pick<typeof person.$inferSelect, 'purposes' | 'groups'>>;

/**
 * Keeps the candidates, and whom boxes named, from being erased until the transaction ends: nobody is named who is gone
 * at its commit, nor who may not be matched for what the identification is for.
 */
async function lockPeople(tx: Transaction, items: readonly NewSighting[]): Promise<Enrolled> {
  const byTenant = new Map<TenantId, Set<PersonId>>();
  for (const { batch, record, result } of items) {
    const { tenantId } = batch.address;
    const ids = byTenant.get(tenantId) ?? new Set();
    for (const { personId } of result.candidates) ids.add(personId);
    if (record.local?.outcome === 'identified') ids.add(record.local.personId);
    byTenant.set(tenantId, ids);
  }
  const enrolled = new Map<string, Pick<typeof person.$inferSelect, 'purposes' | 'groups'>>();
  for (const [tenantId, ids] of [...byTenant].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (ids.size === 0) continue;
    const rows = await tx
      .select({ id: person.id, purposes: person.purposes, groups: person.groups })
      .from(person)
      // Nor is anybody named who was merged into another since the search.
      .where(and(eq(person.tenantId, tenantId), isOneOf(person.id, 'uuid', [...ids]), isNull(person.mergedInto)))
      .orderBy(asc(person.id))
      .for('key share');
    for (const { id, purposes, groups } of rows) enrolled.set(`${tenantId}/${id}`, { purposes, groups });
  }
  return enrolled;
}

function sightingRow({ batch, siteId, replayed, record }: NewSighting, epochs: BootEpochs, now: Date) {
  const date = (moment: SightingRecord['recordedAt']) => dateMoment(moment, batch, epochs(batch));
  const first = date(record.firstSeenAt);
  const { address, receivedAtMs } = batch;
  const { sightingId, phase, cameraId, revision, quality, liveScore } = record;
  const { frames, closeReason, releaseDigest, trialArm } = record;
  return {
    ...{ tenantId: address.tenantId, deviceId: address.deviceId, id: sightingId, siteId, cameraId, phase, revision },
    ...{ quality, liveScore, frames, closeReason, releaseDigest, trialArm, replayed, stageMs: record.stageMs },
    firstSeenAt: new Date(first.ms),
    lastSeenAt: new Date(Math.max(first.ms, date(record.lastSeenAt).ms)),
    dating: first.dating,
    deviceFirstSeenMs: record.firstSeenAt.wallMs,
    deviceLastSeenMs: record.lastSeenAt.wallMs,
    bootId: record.firstSeenAt.bootId,
    clockSynchronised: record.firstSeenAt.clockSynchronised,
    receivedAt: new Date(receivedAtMs),
    latencyMs: Math.max(0, now.getTime() - date(record.recordedAt).ms),
  };
}

function decisionColumns(decision: OpenSetDecision): Omit<StoredDecision, 'localDiffered' | 'candidates'> {
  const { outcome, threshold, falseMatchRate } = decision;
  return {
    outcome,
    threshold,
    falseMatchRate,
    personId: decision.outcome === 'identified' ? decision.personId : null,
    score: decision.outcome === 'refused' ? null : (decision.score ?? null),
    refusalCode: decision.outcome === 'refused' ? decision.refusalCode : null,
  };
}

/** @param isEnrolled whether somebody is still there to be named */
function localColumns(local: LocalDecision | undefined, isEnrolled: (personId: PersonId) => boolean) {
  const named = local?.outcome === 'identified' && isEnrolled(local.personId) ? local.personId : null;
  return { localOutcome: local?.outcome ?? null, localPersonId: named, localScore: local?.score ?? null };
}

async function upsert(
  tx: Transaction,
  rows: readonly (typeof sighting.$inferInsert)[],
): Promise<readonly ChangedSighting[]> {
  // first_seen_at stays as first dated: pages are sorted by it.
  const { rows: changed } = await tx.execute<ChangedSighting & Record<string, unknown>>(sql`
    ${insertAsJson(sighting, rows)}
    ON CONFLICT (tenant_id, id) DO UPDATE SET
      camera_id = excluded.camera_id, phase = excluded.phase, revision = excluded.revision,
      last_seen_at = greatest(sighting.first_seen_at, excluded.last_seen_at),
      device_last_seen_ms = excluded.device_last_seen_ms, received_at = excluded.received_at,
      latency_ms = excluded.latency_ms, quality = excluded.quality, live_score = excluded.live_score,
      frames = excluded.frames, replayed = excluded.replayed, close_reason = excluded.close_reason,
      release_digest = excluded.release_digest, trial_arm = excluded.trial_arm, stage_ms = excluded.stage_ms
    WHERE sighting.device_id = excluded.device_id AND sighting.revision < excluded.revision
    RETURNING sighting.tenant_id AS "tenantId", sighting.id, sighting.revision`);
  return changed;
}
