import type { DeviceAddress } from '@sightline/contracts';
import { type Database, inChunks, inTransaction, type Transaction } from '@sightline/database';
import type { Clock, SightingId } from '@sightline/kernel';
import { and, eq, gte, lte, sql } from 'drizzle-orm';

import { followWatchLists } from '../alerts/watch-list-alerts.js';
import type { SearchResult } from '../identification/identification.js';
import { ingestGap } from '../storage/schema.js';
import { unnest } from '../storage/unnest.js';
import { measureBoots } from './boot-store.js';
import type { IngestBatch, IngestRecord } from './decode-batch.js';
import { putInQuarantine, type Quarantined } from './quarantine-store.js';
import {
  readDecisions,
  revisionKey,
  sightingOwners,
  storeSightings,
  type ChangedSighting,
  type Decisions,
  type NewSighting,
  type AnsweredDecision,
} from './sighting-store.js';
import { deviceKey, distinctByKey, streamKey } from './stream-key.js';
import { lockStreams, moveWatermarks, type Stream } from './stream-store.js';

/** A batch with what the gallery found for each of its sightings, by sequence. */
export interface SearchedBatch extends IngestBatch {
  readonly results: ReadonlyMap<number, SearchResult>;
  /** How long the search took, of this batch and those that were searched with it. */
  readonly searchMs: number;
}

/** The decision about one record, as stored. */
export interface RecordAnswer {
  readonly sequence: number;
  readonly sightingId: SightingId;
  readonly revision: number;
  readonly decision: AnsweredDecision;
}

export type BatchOutcome =
  | { readonly kind: 'committed'; readonly committedThrough: number; readonly answers: readonly RecordAnswer[] }
  | { readonly kind: 'unknown-device' };

/** A record with its batch: the unit that is new or a duplicate. */
interface Placed {
  readonly batch: SearchedBatch;
  readonly stream: Stream;
  readonly siteId: string;
  readonly record: IngestRecord;
}

/**
 * Stores batches in one transaction. A record has its effect at most once, whatever is sent again; the watermarks are
 * computed from what the transaction sees.
 *
 * @returns one outcome for each batch, in order, true once the promise has resolved
 */
export async function storeBatches(
  database: Database,
  batches: readonly SearchedBatch[],
  clock: Clock,
): Promise<readonly BatchOutcome[]> {
  const now = new Date(clock.wallMs());
  return inTransaction(database, async (tx) => {
    const sites = await touchDevices(tx, batches, now);
    const known = batches.filter(({ address }) => sites.has(deviceKey(address)));
    const streams = known.map(streamOf);
    const watermarks = await lockStreams(tx, streams, now);
    const epochs = await measureBoots(tx, known);
    const placed = known.flatMap((batch) =>
      batch.records.map((record) => {
        return { batch, record, stream: streamOf(batch), siteId: sites.get(deviceKey(batch.address)) ?? '' };
      }),
    );
    const checked = await refuseForeign(tx, placed);
    const fresh = await insertRecords(tx, checked, now);
    await storeGaps(tx, checked, now);
    await putInQuarantine(tx, [...poisonOf(fresh), ...straysOf(known)], now);
    const { changed, decided } = await storeSightings(tx, fresh.flatMap(newSighting), { epochs, now, clock });
    await notify(tx, changed);
    const moved = await moveWatermarks(tx, streams, watermarks);
    const repeated = checked.filter((item) => decisionOf(item, decided) === undefined);
    const decisions = new Map([...decided, ...(await readDecisions(tx, repeated.flatMap(sightingOf)))]);
    await followWatchLists(
      tx,
      changed.flatMap((state) => withDecision(state, decisions)),
      now,
    );
    return batches.map((batch) => {
      if (!sites.has(deviceKey(batch.address))) return { kind: 'unknown-device' };
      const committedThrough = moved.get(streamKey(streamOf(batch))) ?? 0;
      const own = checked.filter((item) => item.batch === batch);
      return { kind: 'committed', committedThrough, answers: own.flatMap((item) => answerOf(item, decisions)) };
    });
  });
}

const streamOf = ({ address: { tenantId, deviceId }, streamId }: IngestBatch): Stream => ({
  tenantId,
  deviceId,
  streamId,
});

/** What a device's row knows to so much is not written again, ms. */
const HEARD_EVERY_MS = 1000;

/** Notes that the devices were heard; @returns the sites of those that are known and not revoked, by `deviceKey`. */
async function touchDevices(
  tx: Transaction,
  batches: readonly IngestBatch[],
  now: Date,
): Promise<ReadonlyMap<string, string>> {
  const addresses = distinctByKey(
    batches.map(({ address }) => address),
    deviceKey,
  );
  const wanted = sql`${unnest([
    ['text', addresses.map(({ tenantId }) => tenantId)],
    ['text', addresses.map(({ deviceId }) => deviceId)],
  ])} AS wanted (tenant_id, id)`;
  // Locked, so that none is removed before its records are stored: in one order, as everywhere.
  const { rows } = await tx.execute<DeviceAddress & Record<string, unknown> & { siteId: string; heard: boolean }>(sql`
    SELECT tenant_id AS "tenantId", id AS "deviceId", site_id AS "siteId",
      coalesce(last_seen_at > ${now}::timestamptz - ${HEARD_EVERY_MS} * interval '1 millisecond', false) AS heard
    FROM ${wanted} JOIN cloud.device device USING (tenant_id, id)
    WHERE device.revoked_at IS NULL
    ORDER BY tenant_id, id FOR KEY SHARE OF device`);
  if (rows.some(({ heard }) => !heard)) {
    await tx.execute(sql`
      UPDATE cloud.device device SET last_seen_at = ${now} FROM (
        SELECT tenant_id, id FROM ${wanted} JOIN cloud.device device USING (tenant_id, id)
        ORDER BY tenant_id, id FOR NO KEY UPDATE OF device) locked
      WHERE device.tenant_id = locked.tenant_id AND device.id = locked.id`);
  }
  return new Map(rows.map((row) => [deviceKey(row), row.siteId]));
}

/** A sighting belongs to the device that opened it: no other may change it. */
async function refuseForeign(tx: Transaction, placed: readonly Placed[]): Promise<readonly Placed[]> {
  const owners = await sightingOwners(tx, placed.flatMap(sightingOf));
  return placed.map((item) => {
    const { record, batch } = item;
    if (record.kind !== 'sighting') return item;
    const key = `${batch.address.tenantId}/${record.sighting.sightingId}`;
    const owner = owners.get(key) ?? batch.address.deviceId;
    owners.set(key, owner);
    if (owner === batch.address.deviceId) return item;
    const { sequence, replayed, payload } = record;
    const poison = { code: 'SIGHTING.FOREIGN' as const, detail: 'The sighting belongs to another device.' };
    return { ...item, record: { sequence, replayed, payload, kind: 'poison' as const, poison } };
  });
}

/** @returns the records that were not there before */
async function insertRecords(tx: Transaction, placed: readonly Placed[], now: Date): Promise<readonly Placed[]> {
  const distinct = distinctByKey(placed, ({ stream, record }) => `${streamKey(stream)}/${record.sequence}`);
  if (distinct.length === 0) return [];
  const sightings = distinct.map(({ record }) => (record.kind === 'sighting' ? record.sighting : undefined));
  const columns = unnest([
    ['text', distinct.map(({ stream }) => stream.tenantId)],
    ['text', distinct.map(({ stream }) => stream.deviceId)],
    ['uuid', distinct.map(({ stream }) => stream.streamId)],
    ['bigint', distinct.map(({ record }) => record.sequence)],
    ['text', distinct.map(({ record }) => (record.kind === 'poison' ? 'quarantined' : record.kind))],
    ['uuid', sightings.map((sighting) => sighting?.sightingId ?? null)],
    ['integer', sightings.map((sighting) => sighting?.revision ?? null)],
  ]);
  const { rows } = await tx.execute<Stream & Record<string, unknown> & { sequence: string }>(sql`
    INSERT INTO cloud.ingest_record
      (tenant_id, device_id, stream_id, sequence, kind, sighting_id, revision, received_at)
    SELECT *, ${now}::timestamptz FROM ${columns}
    ON CONFLICT DO NOTHING
    RETURNING tenant_id AS "tenantId", device_id AS "deviceId", stream_id AS "streamId", sequence`);
  const fresh = new Set(rows.map((row) => `${streamKey(row)}/${row.sequence}`));
  return distinct.filter(({ stream, record }) => fresh.has(`${streamKey(stream)}/${record.sequence}`));
}

/**
 * Stores gaps, also those whose place has a record already: the box may have dropped what it had sent before. A gap
 * that has grown since takes the place of what it was.
 */
async function storeGaps(tx: Transaction, checked: readonly Placed[], receivedAt: Date): Promise<void> {
  const gaps = checked.flatMap(({ stream, record }) =>
    record.kind === 'gap' ? [{ ...stream, ...record.gap, receivedAt }] : [],
  );
  const rows = gaps.filter((gap) => !gaps.some((other) => isWithin(gap, other)));
  for (const { tenantId, deviceId, streamId, firstSequence, lastSequence } of rows) {
    await tx
      .delete(ingestGap)
      .where(
        and(
          eq(ingestGap.tenantId, tenantId),
          eq(ingestGap.deviceId, deviceId),
          eq(ingestGap.streamId, streamId),
          gte(ingestGap.firstSequence, firstSequence),
          lte(ingestGap.lastSequence, lastSequence),
        ),
      );
  }
  await inChunks(rows, (chunk) =>
    tx.insert(ingestGap).values(chunk).onConflictDoNothing().returning({ first: ingestGap.firstSequence }),
  );
}

interface PlacedGap extends Stream {
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** Whether a gap is a part of a larger one of the same stream. */
function isWithin(gap: PlacedGap, other: PlacedGap): boolean {
  const isLarger = other.lastSequence - other.firstSequence > gap.lastSequence - gap.firstSequence;
  const contains = other.firstSequence <= gap.firstSequence && other.lastSequence >= gap.lastSequence;
  return isLarger && contains && streamKey(other) === streamKey(gap);
}

function poisonOf(fresh: readonly Placed[]): Quarantined[] {
  return fresh.flatMap(({ batch: { address, streamId }, record }) =>
    record.kind === 'poison' ? [{ address, streamId, ...record }] : [],
  );
}

function straysOf(batches: readonly IngestBatch[]): Quarantined[] {
  return batches.flatMap(({ address, streamId, strays }) =>
    strays.map(({ payload, ...poison }) => ({ address, streamId, poison, payload })),
  );
}

function sightingOf({ batch, record }: Placed) {
  if (record.kind !== 'sighting') return [];
  return [{ tenantId: batch.address.tenantId, sightingId: record.sighting.sightingId }];
}

function newSighting({ batch, siteId, record }: Placed): NewSighting[] {
  if (record.kind !== 'sighting') return [];
  const result = batch.results.get(record.sequence);
  if (result === undefined) throw new Error('a sighting was not searched for');
  return [{ batch, siteId, replayed: record.replayed, record: record.sighting, result, searchMs: batch.searchMs }];
}

function withDecision(state: ChangedSighting, decisions: Decisions) {
  const decision = decisions.get(revisionKey(state.tenantId, state.id, state.revision));
  return decision === undefined ? [] : [{ ...state, decision }];
}

function decisionOf({ batch, record }: Placed, decisions: Decisions): AnsweredDecision | undefined {
  if (record.kind !== 'sighting') return undefined;
  const { sightingId, revision } = record.sighting;
  return decisions.get(revisionKey(batch.address.tenantId, sightingId, revision));
}

function answerOf(item: Placed, decisions: Decisions): RecordAnswer[] {
  const { record } = item;
  if (record.kind !== 'sighting') return [];
  const { sightingId, revision } = record.sighting;
  const decision = decisionOf(item, decisions);
  return decision === undefined ? [] : [{ sequence: record.sequence, sightingId, revision, decision }];
}

/** Entries of one notification: its payload must stay below 8,000 bytes. */
const NOTIFIED = 100;

async function notify(tx: Transaction, changed: readonly ChangedSighting[]): Promise<void> {
  for (let start = 0; start < changed.length; start += NOTIFIED) {
    const entries = changed
      .slice(start, start + NOTIFIED)
      .map(({ tenantId, id, revision }) => [tenantId, id, revision]);
    await tx.execute(sql`SELECT pg_notify('cloud_sighting', ${JSON.stringify(entries)})`);
  }
}
