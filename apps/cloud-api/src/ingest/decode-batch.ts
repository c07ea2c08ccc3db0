import { fromBinary } from '@bufbuild/protobuf';
import {
  GapReason,
  RecordPayloadSchema,
  SightingBatchSchema,
  type DeviceAddress,
  type Gap,
  type OutboxRecord,
} from '@sightline/contracts';
import { AppError, isAppError, isUuid, type ErrorCode, type StreamId } from '@sightline/kernel';

import { deviceMoment, type Transit } from './device-time.js';
import { sightingRecord, type SightingRecord } from './sighting-record.js';

interface Envelope {
  /** Position in the outbox stream, from 1. */
  readonly sequence: number;
  readonly replayed: boolean;
  /** The record as the outbox stored it. */
  readonly payload: Uint8Array;
}

export type GapReasonName = 'disk-full' | 'superseded' | 'unspecified';

const gapReasons: Readonly<Record<GapReason, GapReasonName>> = {
  [GapReason.UNSPECIFIED]: 'unspecified',
  [GapReason.DISK_FULL]: 'disk-full',
  [GapReason.SUPERSEDED]: 'superseded',
};

export interface GapRecord {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly reason: GapReasonName;
  /** Of the run, records whose content is stored nowhere else. */
  readonly lostRecords: number;
}

/** A record that can be read and is impossible, or cannot be read. */
export interface Poison {
  readonly code: ErrorCode;
  readonly detail: string;
}

export type IngestRecord = Envelope &
  (
    | { readonly kind: 'sighting'; readonly sighting: SightingRecord }
    | { readonly kind: 'gap'; readonly gap: GapRecord }
    | { readonly kind: 'poison'; readonly poison: Poison }
  );

/** A batch that was received, taken apart. */
export interface IngestBatch extends Transit {
  readonly address: DeviceAddress;
  readonly correlationId: string;
  readonly streamId: StreamId;
  readonly records: readonly IngestRecord[];
  /** Records whose very sequence is impossible: they have no place in the stream. */
  readonly strays: readonly (Poison & { readonly payload: Uint8Array })[];
}

/**
 * Takes a batch apart. A record that cannot be read comes back as poison, alone.
 *
 * @param receivedAtMs cloud time, ms since the Unix epoch
 * @throws AppError `MQTT.MALFORMED_MESSAGE` when the batch itself cannot be read
 */
export function decodeBatch(address: DeviceAddress, payload: Uint8Array, receivedAtMs: number): IngestBatch {
  const batch = parse(() => fromBinary(SightingBatchSchema, payload), 'The batch is not a SightingBatch.');
  const sentAt = deviceMoment(batch.sentAt);
  if (!isUuid(batch.streamId)) throw malformed('The batch names no outbox stream.');
  if (batch.schemaVersion < 1) throw malformed('The batch has no schema version.');
  if (sentAt === undefined) throw malformed('The batch does not say when it was sent.');
  const sound = batch.records.filter(({ sequence }) => isSequence(sequence));
  const strays = batch.records.filter(({ sequence }) => !isSequence(sequence));
  return {
    address,
    receivedAtMs,
    sentAt,
    correlationId: batch.correlationId.slice(0, 100),
    streamId: batch.streamId as StreamId,
    records: sound.map(decodeRecord),
    strays: strays.map(({ payload: bytes }) => ({
      code: 'SIGHTING.INVALID',
      detail: 'The record has a sequence that cannot be.',
      payload: bytes,
    })),
  };
}

const isSequence = (sequence: bigint): boolean => sequence >= 1n && sequence <= BigInt(Number.MAX_SAFE_INTEGER);

function decodeRecord({ sequence, replayed, payload }: OutboxRecord): IngestRecord {
  const envelope = { sequence: Number(sequence), replayed, payload };
  try {
    return { ...envelope, ...decodePayload(payload) };
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { ...envelope, kind: 'poison', poison: { code: error.code, detail: error.message } };
  }
}

function decodePayload(payload: Uint8Array) {
  const { recordedAt, body } = parse(() => fromBinary(RecordPayloadSchema, payload), 'The record cannot be decoded.');
  const moment = deviceMoment(recordedAt);
  if (moment === undefined) throw new AppError('SIGHTING.INVALID', 'The field recorded_at has a value that cannot be.');
  switch (body.case) {
    case 'sighting':
      return { kind: 'sighting' as const, sighting: sightingRecord(body.value, moment) };
    case 'gap':
      return { kind: 'gap' as const, gap: gapRecord(body.value) };
    default:
      throw malformed('The record has no body that is known here.');
  }
}

function gapRecord({ firstSequence, lastSequence, reason, lostRecords }: Gap): GapRecord {
  if (!isSequence(firstSequence) || !isSequence(lastSequence) || firstSequence > lastSequence) {
    throw new AppError('SIGHTING.INVALID', 'The gap has bounds that cannot be.');
  }
  return {
    firstSequence: Number(firstSequence),
    lastSequence: Number(lastSequence),
    // A code of a later version of the contract says nothing here.
    reason: Object.hasOwn(gapReasons, reason) ? gapReasons[reason] : 'unspecified',
    lostRecords: Math.min(Number(lostRecords), Number(lastSequence - firstSequence) + 1),
  };
}

function parse<T>(decode: () => T, sentence: string): T {
  try {
    return decode();
  } catch (cause) {
    throw new AppError('MQTT.MALFORMED_MESSAGE', sentence, { cause });
  }
}

const malformed = (sentence: string): AppError => new AppError('MQTT.MALFORMED_MESSAGE', sentence);
