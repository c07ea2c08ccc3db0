import type { Transaction } from '@sightline/database';
import { and, inArray, sql } from 'drizzle-orm';

import { deviceBoot } from '../storage/schema.js';
import type { IngestBatch } from './decode-batch.js';
import { measureBoot, type BootEpoch } from './device-time.js';
import { deviceKey } from './stream-key.js';

/** What is known of the boots of a device, by boot id. */
export type BootEpochs = (batch: IngestBatch) => (bootId: string) => BootEpoch | undefined;

/** What is no better is stored only so often, ms: until then a clock that drifts as far as one may is 2 ms off. */
const AGES_AFTER_MS = 10_000;

function isWorthStoring(stored: BootEpoch | undefined, epoch: BootEpoch): boolean {
  if (stored === undefined || epoch.epochMs < stored.epochMs) return true;
  return epoch.measuredAtMs - stored.measuredAtMs >= AGES_AFTER_MS;
}

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
  const stored = new Map(epochs);
  const measured = new Map<string, typeof deviceBoot.$inferInsert>();
  for (const batch of batches) {
    const { bootId } = batch.sentAt;
    const key = keyOf(batch, bootId);
    const epoch = measureBoot(epochs.get(key), batch);
    epochs.set(key, epoch);
    if (!isWorthStoring(stored.get(key), epoch)) continue;
    const { epochMs, measuredAtMs } = epoch;
    const { tenantId, deviceId } = batch.address;
    measured.set(key, { tenantId, deviceId, bootId, epochMs, measuredAt: new Date(measuredAtMs) });
  }
  const values = [...measured.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  if (values.length > 0) {
    await tx
      .insert(deviceBoot)
      .values(values)
      .onConflictDoUpdate({
        target: [deviceBoot.tenantId, deviceBoot.deviceId, deviceBoot.bootId],
        set: { epochMs: sql`excluded.epoch_ms`, measuredAt: sql`excluded.measured_at` },
        // Another process may have measured meanwhile, and better.
        setWhere: sql`excluded.epoch_ms < ${deviceBoot.epochMs}
          OR excluded.measured_at >= ${deviceBoot.measuredAt} + ${AGES_AFTER_MS} * interval '1 millisecond'`,
      });
  }
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
