import type { Transaction } from '@sightline/database';
import { and, inArray, sql } from 'drizzle-orm';

import { deviceBoot } from '../storage/schema.js';
import type { IngestBatch } from './decode-batch.js';
import { measureBoot, type BootEpoch } from './device-time.js';
import { deviceKey } from './stream-key.js';

/** What is known of the boots of a device, by boot id. */
export type BootEpochs = (batch: IngestBatch) => (bootId: string) => BootEpoch | undefined;

/** Measures the boots that the batches were sent in, and reads the ones that their records come from. */
export async function measureBoots(tx: Transaction, batches: readonly IngestBatch[]): Promise<BootEpochs> {
  const keyOf = (batch: IngestBatch, bootId: string): string => `${deviceKey(batch.address)}/${bootId}`;
  const bootIds = new Set(batches.flatMap(bootIdsOf));
  if (bootIds.size === 0) return () => () => undefined;
  const rows = await tx
    .select()
    .from(deviceBoot)
    .where(
      and(
        inArray(deviceBoot.tenantId, [...new Set(batches.map(({ address }) => address.tenantId))]),
        inArray(deviceBoot.deviceId, [...new Set(batches.map(({ address }) => address.deviceId))]),
        inArray(deviceBoot.bootId, [...bootIds]),
      ),
    );
  const epochs = new Map<string, BootEpoch>(
    rows.map((row) => [
      `${deviceKey(row)}/${row.bootId}`,
      { epochMs: row.epochMs, measuredAtMs: row.measuredAt.getTime() },
    ]),
  );
  const measured = new Map<string, typeof deviceBoot.$inferInsert>();
  for (const batch of batches) {
    const { bootId } = batch.sentAt;
    const key = keyOf(batch, bootId);
    const epoch = measureBoot(epochs.get(key), batch);
    epochs.set(key, epoch);
    const { epochMs, measuredAtMs } = epoch;
    const { tenantId, deviceId } = batch.address;
    measured.set(key, { tenantId, deviceId, bootId, epochMs, measuredAt: new Date(measuredAtMs) });
  }
  const values = [...measured.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  await tx
    .insert(deviceBoot)
    .values(values)
    .onConflictDoUpdate({
      target: [deviceBoot.tenantId, deviceBoot.deviceId, deviceBoot.bootId],
      set: { epochMs: sql`excluded.epoch_ms`, measuredAt: sql`excluded.measured_at` },
    });
  return (batch) => (bootId) => epochs.get(keyOf(batch, bootId));
}

function bootIdsOf({ sentAt, records }: IngestBatch): string[] {
  const ofRecords = records.flatMap((record) =>
    record.kind === 'sighting'
      ? [record.sighting.recordedAt, record.sighting.firstSeenAt, record.sighting.lastSeenAt]
      : [],
  );
  return [sentAt, ...ofRecords].map(({ bootId }) => bootId);
}
