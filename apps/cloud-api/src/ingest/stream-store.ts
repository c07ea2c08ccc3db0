import type { DeviceAddress } from '@sightline/contracts';
import type { Transaction } from '@sightline/database';
import type { StreamId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

import { unnest } from '../storage/unnest.js';
import { distinctByKey, streamKey } from './stream-key.js';
import { advanceWatermark, type SequenceRange } from './watermark.js';

export type Stream = DeviceAddress & { readonly streamId: StreamId };

/** Where streams' watermarks stand, by `streamKey`. */
export type Watermarks = ReadonlyMap<string, number>;

/** Rows of one stream that are read at once while its watermark moves. */
const PAGE = 1000;

/** Streams as rows `wanted (position, tenant_id, device_id, stream_id)`, the position from 1. */
function wanted(streams: readonly Stream[]): SQL {
  const columns = unnest([
    ['text', streams.map(({ tenantId }) => tenantId)],
    ['text', streams.map(({ deviceId }) => deviceId)],
    ['uuid', streams.map(({ streamId }) => streamId)],
  ]);
  return sql`${columns} WITH ORDINALITY AS wanted (tenant_id, device_id, stream_id, position)`;
}

/**
 * Locks the streams until the transaction ends, in one order everywhere, making those that are new.
 *
 * @returns where each one's watermark stands
 */
export async function lockStreams(tx: Transaction, streams: readonly Stream[], now: Date): Promise<Watermarks> {
  const distinct = distinctByKey(streams, streamKey);
  const known = await lockKnown(tx, distinct);
  const missing = distinct.filter((stream) => !known.has(streamKey(stream)));
  if (missing.length === 0) return known;
  await tx.execute(sql`
    INSERT INTO cloud.ingest_stream (tenant_id, device_id, stream_id, committed_through, created_at)
    SELECT tenant_id, device_id, stream_id, 0, ${now} FROM ${wanted(missing)} ORDER BY position
    ON CONFLICT DO NOTHING`);
  return new Map([...known, ...(await lockKnown(tx, missing))]);
}

async function lockKnown(tx: Transaction, streams: readonly Stream[]): Promise<Watermarks> {
  if (streams.length === 0) return new Map();
  const { rows } = await tx.execute<{ position: string; through: string }>(sql`
    SELECT wanted.position, stream.committed_through AS through
    FROM ${wanted(streams)} JOIN cloud.ingest_stream stream USING (tenant_id, device_id, stream_id)
    ORDER BY wanted.position FOR UPDATE OF stream`);
  return new Map(
    rows.flatMap(({ position, through }) => {
      const stream = streams[Number(position) - 1];
      return stream === undefined ? [] : [[streamKey(stream), Number(through)] as const];
    }),
  );
}

/** Moves the watermarks of locked streams over what is accounted for by now. @returns where they stand then */
export async function moveWatermarks(
  tx: Transaction,
  streams: readonly Stream[],
  watermarks: Watermarks,
): Promise<Watermarks> {
  const through = new Map(watermarks);
  // A stream whose page was full may have more to move over.
  for (let moving = distinctByKey(streams, streamKey); moving.length > 0;) {
    const ranges = await rangesAbove(tx, moving, through);
    moving = moving.filter((stream) => {
      const key = streamKey(stream);
      const own = ranges.get(key) ?? [];
      const from = through.get(key) ?? 0;
      const moved = advanceWatermark(from, own);
      through.set(key, moved);
      return moved > from && own.length >= PAGE;
    });
  }
  const moved = distinctByKey(streams, streamKey).filter(
    (stream) => through.get(streamKey(stream)) !== watermarks.get(streamKey(stream)),
  );
  if (moved.length > 0) await store(tx, moved, through);
  return through;
}

/** The next records and gaps of each stream above its watermark, a page of each. */
async function rangesAbove(
  tx: Transaction,
  streams: readonly Stream[],
  watermarks: Watermarks,
): Promise<ReadonlyMap<string, readonly SequenceRange[]>> {
  const columns = unnest([
    ['text', streams.map(({ tenantId }) => tenantId)],
    ['text', streams.map(({ deviceId }) => deviceId)],
    ['uuid', streams.map(({ streamId }) => streamId)],
    ['bigint', streams.map((stream) => watermarks.get(streamKey(stream)) ?? 0)],
  ]);
  const { rows } = await tx.execute<{ position: string; first: string; last: string }>(sql`
    SELECT wanted.position, range.first, range.last
    FROM ${columns} WITH ORDINALITY AS wanted (tenant_id, device_id, stream_id, through, position),
    LATERAL (
      (SELECT sequence AS first, sequence AS last FROM cloud.ingest_record record
        WHERE record.tenant_id = wanted.tenant_id AND record.device_id = wanted.device_id
          AND record.stream_id = wanted.stream_id AND record.sequence > wanted.through
        ORDER BY sequence LIMIT ${PAGE})
      UNION ALL
      (SELECT first_sequence, last_sequence FROM cloud.ingest_gap gap
        WHERE gap.tenant_id = wanted.tenant_id AND gap.device_id = wanted.device_id
          AND gap.stream_id = wanted.stream_id AND gap.last_sequence > wanted.through
        ORDER BY first_sequence LIMIT ${PAGE})
    ) AS range`);
  const ranges = new Map<string, SequenceRange[]>();
  for (const { position, first, last } of rows) {
    const stream = streams[Number(position) - 1];
    if (stream === undefined) continue;
    const own = ranges.get(streamKey(stream)) ?? [];
    own.push({ first: Number(first), last: Number(last) });
    ranges.set(streamKey(stream), own);
  }
  return ranges;
}

async function store(tx: Transaction, streams: readonly Stream[], watermarks: Watermarks): Promise<void> {
  const columns = unnest([
    ['text', streams.map(({ tenantId }) => tenantId)],
    ['text', streams.map(({ deviceId }) => deviceId)],
    ['uuid', streams.map(({ streamId }) => streamId)],
    ['bigint', streams.map((stream) => watermarks.get(streamKey(stream)) ?? 0)],
  ]);
  await tx.execute(sql`
    UPDATE cloud.ingest_stream stream SET committed_through = moved.through
    FROM ${columns} AS moved (tenant_id, device_id, stream_id, through)
    WHERE stream.tenant_id = moved.tenant_id AND stream.device_id = moved.device_id
      AND stream.stream_id = moved.stream_id`);
}
