import { create, toBinary } from '@bufbuild/protobuf';
import { GapReason, GapSchema, RecordPayloadSchema, type DeviceTime } from '@sightline/contracts';

import type { StoredRecord } from '../outbox/outbox-store.js';

/**
 * The payload of a record as it is sent. A gap is put into words only now, since it may have grown until then.
 *
 * @returns an encoded RecordPayload
 */
export function payloadOf({ sequence, payload, gap }: StoredRecord, now: DeviceTime): Uint8Array {
  if (!gap) return payload;
  const value = create(GapSchema, {
    firstSequence: BigInt(gap.firstSequence),
    lastSequence: BigInt(sequence),
    reason: gap.lost > 0 ? GapReason.DISK_FULL : GapReason.SUPERSEDED,
    lostRecords: BigInt(gap.lost),
  });
  return toBinary(RecordPayloadSchema, create(RecordPayloadSchema, { recordedAt: now, body: { case: 'gap', value } }));
}
