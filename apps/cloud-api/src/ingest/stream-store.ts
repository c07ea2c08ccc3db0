import type { DeviceAddress } from '@sightline/contracts';
import type { Transaction } from '@sightline/database';
import type { StreamId } from '@sightline/kernel';
import { and, asc, eq, gt, sql } from 'drizzle-orm';

import { ingestGap, ingestRecord, ingestStream } from '../storage/schema.js';
import { distinctByKey, streamKey } from './stream-key.js';
import { advanceWatermark, type SequenceRange } from './watermark.js';

export type Stream = DeviceAddress & { readonly streamId: StreamId };

/** Rows read at once while the watermark moves. */
const PAGE = 1000;

/**
 * Locks the streams until the transaction ends, making those that are new.
 *
 * @returns where each one's watermark stands, by `streamKey`
 */
export async function lockStreams(
  tx: Transaction,
  streams: readonly Stream[],
  now: Date,
): Promise<ReadonlyMap<string, number>> {
  const watermarks = new Map<string, number>();
  for (const { tenantId, deviceId, streamId } of distinctByKey(streams, streamKey)) {
    const id = { tenantId, deviceId, streamId };
    await tx
      .insert(ingestStream)
      .values({ ...id, committedThrough: 0, createdAt: now })
      .onConflictDoNothing();
    const [row] = await tx.select().from(ingestStream).where(isStream(id)).for('update');
    watermarks.set(streamKey(id), row?.committedThrough ?? 0);
  }
  return watermarks;
}

/** Moves a stream's watermark over what is accounted for by now. */
export async function moveWatermark(tx: Transaction, stream: Stream, from: number): Promise<number> {
  let through = from;
  for (;;) {
    const ranges = [...(await recordsAbove(tx, stream, through)), ...(await gapsAbove(tx, stream, through))];
    const moved = advanceWatermark(through, ranges);
    if (moved === through) break;
    through = moved;
  }
  if (through > from) await tx.update(ingestStream).set({ committedThrough: through }).where(isStream(stream));
  return through;
}

async function recordsAbove(tx: Transaction, stream: Stream, through: number): Promise<readonly SequenceRange[]> {
  const rows = await tx
    .select({ first: ingestRecord.sequence, last: ingestRecord.sequence })
    .from(ingestRecord)
    .where(
      and(
        eq(ingestRecord.tenantId, stream.tenantId),
        eq(ingestRecord.deviceId, stream.deviceId),
        eq(ingestRecord.streamId, stream.streamId),
        gt(ingestRecord.sequence, through),
      ),
    )
    .orderBy(asc(ingestRecord.sequence))
    .limit(PAGE);
  return rows;
}

async function gapsAbove(tx: Transaction, stream: Stream, through: number): Promise<readonly SequenceRange[]> {
  const rows = await tx
    .select({ first: ingestGap.firstSequence, last: ingestGap.lastSequence })
    .from(ingestGap)
    .where(
      and(
        eq(ingestGap.tenantId, stream.tenantId),
        eq(ingestGap.deviceId, stream.deviceId),
        eq(ingestGap.streamId, stream.streamId),
        gt(ingestGap.lastSequence, through),
        sql`${ingestGap.firstSequence} <= ${through + PAGE}`,
      ),
    )
    .orderBy(asc(ingestGap.firstSequence))
    .limit(PAGE);
  return rows;
}

function isStream({ tenantId, deviceId, streamId }: Stream) {
  return and(
    eq(ingestStream.tenantId, tenantId),
    eq(ingestStream.deviceId, deviceId),
    eq(ingestStream.streamId, streamId),
  );
}
