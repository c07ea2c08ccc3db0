import { randomUUID } from 'node:crypto';

import type { DeviceAddress } from '@sightline/contracts';
import { type Database, inChunks, type Transaction } from '@sightline/database';
import type { StreamId } from '@sightline/kernel';

import { sha256 } from '../platform/digests.js';
import { quarantine } from '../storage/schema.js';
import type { Poison } from './decode-batch.js';

export interface Quarantined {
  readonly address: DeviceAddress;
  /** Absent when the batch could not be read. */
  readonly streamId?: StreamId;
  /** Absent when the record has no place in its stream. */
  readonly sequence?: number;
  readonly poison: Poison;
  readonly payload: Uint8Array;
}

/**
 * Notes what cannot be used: why, its length and its SHA-256, by which somebody with the box's own copy finds it. The bytes
 * are not kept: they may hold a template of anybody, whom no erasure could find in them. The same bytes of the same place
 * are noted once.
 */
export async function putInQuarantine(
  tx: Transaction | Database['db'],
  items: readonly Quarantined[],
  receivedAt: Date,
): Promise<void> {
  const rows = items.map(({ address: { tenantId, deviceId }, streamId = null, sequence = null, poison, payload }) => ({
    ...{ id: randomUUID(), tenantId, deviceId, streamId, sequence, receivedAt },
    ...poison,
    bytes: payload.length,
    payloadSha256: sha256(payload),
  }));
  await inChunks(rows, (chunk) =>
    tx.insert(quarantine).values(chunk).onConflictDoNothing().returning({ id: quarantine.id }),
  );
}
