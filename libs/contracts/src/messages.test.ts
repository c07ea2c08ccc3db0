import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';

import {
  CloseReason,
  DesiredConfigSchema,
  GapReason,
  IdentificationOutcome,
  IdentificationSchema,
  RecordPayloadSchema,
  SightingAckSchema,
  SightingBatchSchema,
  SightingPhase,
  TemplateCodec,
  type DeviceTimeSchema,
} from './index.js';
import { SCHEMA_VERSION } from './topics.js';

const DIMENSION = 512;
const time = (monotonicMs: bigint): MessageInitShape<typeof DeviceTimeSchema> => ({
  bootId: '6f9619ff-8b86-4d01-b42d-00c04fc964ff',
  monotonicMs,
  wallMs: 1_800_000_000_000n + monotonicMs,
  clockSynchronised: true,
});

function sightingPayload() {
  return create(RecordPayloadSchema, {
    recordedAt: time(86_400_123n),
    body: {
      case: 'sighting',
      value: {
        sightingId: '0190a5c8-0000-7000-8000-000000000001',
        revision: 2,
        phase: SightingPhase.CLOSE,
        cameraId: 'entrance',
        firstSeenAt: time(86_390_000n),
        lastSeenAt: time(86_400_000n),
        releaseDigest: 'd'.repeat(64),
        templates: [
          {
            modelSpace: 'mobilefacenet-512-fp-0.0.1',
            keyId: '0a1b2c3d'.repeat(4),
            variantDigest: Uint8Array.from({ length: 32 }, (_, index) => index),
            codec: TemplateCodec.INT8,
            scale: Math.fround(0.0015), // a float in the message
            dimension: DIMENSION,
            data: Uint8Array.from({ length: DIMENSION }, (_, index) => (index * 37) % 256),
            quality: 0.75,
          },
        ],
        quality: 0.75,
        frames: 48,
        closeReason: CloseReason.LEFT,
        stageMs: { detect: 8.5, landmarks: 2.25, align: 0.5, embed: 30 },
      },
    },
  });
}

describe('a sighting', () => {
  const payload = sightingPayload();

  it('comes back from its bytes as it was, absent fields still absent', () => {
    const read = fromBinary(RecordPayloadSchema, toBinary(RecordPayloadSchema, payload));
    expect(read).toEqual(payload);
    const sighting = read.body.case === 'sighting' ? read.body.value : undefined;
    expect(sighting?.templates[0]?.data).toHaveLength(DIMENSION);
    expect(sighting?.presentationAttack).toBeUndefined();
    expect(sighting?.localDecision).toBeUndefined();
    expect(sighting?.sealedImageDigest).toBeUndefined();
  });

  it('stays inside the batch as the outbox stored it, so that one unreadable record is alone', () => {
    const records = [
      { sequence: 7n, replayed: false, payload: toBinary(RecordPayloadSchema, payload) },
      { sequence: 8n, replayed: true, payload: Uint8Array.of(0xff, 0xff, 0xff) },
    ];
    const batch = create(SightingBatchSchema, {
      schemaVersion: SCHEMA_VERSION,
      correlationId: '0190a5c8-0000-7000-8000-0000000000aa',
      streamId: '0190a5c8-0000-7000-8000-0000000000bb',
      sentAt: time(86_400_200n),
      records,
    });
    const read = fromBinary(SightingBatchSchema, toBinary(SightingBatchSchema, batch));
    expect(read).toEqual(batch);
    expect(fromBinary(RecordPayloadSchema, read.records[0]!.payload)).toEqual(payload);
    expect(() => fromBinary(RecordPayloadSchema, read.records[1]!.payload)).toThrow();
  });
});

describe('the size on the uplink', () => {
  const payload = toBinary(RecordPayloadSchema, sightingPayload());
  const batchOf = (records: number) =>
    toBinary(
      SightingBatchSchema,
      create(SightingBatchSchema, {
        schemaVersion: SCHEMA_VERSION,
        correlationId: '0190a5c8-0000-7000-8000-0000000000aa',
        streamId: '0190a5c8-0000-7000-8000-0000000000bb',
        sentAt: time(86_400_200n),
        records: Array.from({ length: records }, (_, index) => ({ sequence: BigInt(index + 1), payload })),
      }),
    ).length;

  // With every field filled and ids as long as the edge agent's. Half of it is the vector; ids, digests and times
  // that are written as text or repeated are most of the rest. A bound against growth, not a target.
  it('is at most 1,100 bytes for a batch of one 512-d int8 template, and 970 for each further record', () => {
    expect(batchOf(1)).toBeLessThanOrEqual(1100);
    expect(batchOf(33) - batchOf(1)).toBeLessThanOrEqual(32 * 970);
  });
});

describe('other messages', () => {
  it('count sequences beyond what a double can', () => {
    const last = 2n ** 64n - 1n;
    const gap = create(RecordPayloadSchema, {
      body: { case: 'gap', value: { firstSequence: 2n ** 53n + 1n, lastSequence: last, reason: GapReason.DISK_FULL } },
    });
    expect(fromBinary(RecordPayloadSchema, toBinary(RecordPayloadSchema, gap))).toEqual(gap);
    const ack = create(SightingAckSchema, { streamId: 's', committedThrough: last, window: 8 });
    expect(fromBinary(SightingAckSchema, toBinary(SightingAckSchema, ack)).committedThrough).toBe(last);
  });

  it('tell a policy that is absent from one that is zero', () => {
    const config = create(DesiredConfigSchema, { version: 3n, sighting: { minimumQuality: 0 }, delivery: {} });
    const read = fromBinary(DesiredConfigSchema, toBinary(DesiredConfigSchema, config));
    expect(read.sighting?.minimumQuality).toBe(0);
    expect(read.sighting?.bestShots).toBeUndefined();
    expect(read.delivery?.maximumWindow).toBeUndefined();
  });

  it('read fields of a later version past, and keep them', () => {
    const known = toBinary(SightingAckSchema, create(SightingAckSchema, { committedThrough: 5n, window: 2 }));
    const later = Uint8Array.of(...known, 0xa0, 0x06, 0x01); // field 100, varint 1
    const read = fromBinary(SightingAckSchema, later);
    expect(read).toMatchObject({ committedThrough: 5n, window: 2 });
    expect(toBinary(SightingAckSchema, read)).toEqual(later);
  });

  it('start every enumeration with "unspecified", so that a missing field is never a decision', () => {
    const blank = fromBinary(IdentificationSchema, new Uint8Array());
    expect(blank.outcome).toBe(IdentificationOutcome.UNSPECIFIED);
    expect(blank).toMatchObject({ schemaVersion: 0, personId: '', sequence: 0n });
  });

  it('refuse bytes that are cut short', () => {
    const bytes = toBinary(RecordPayloadSchema, sightingPayload());
    expect(() => fromBinary(RecordPayloadSchema, bytes.subarray(0, bytes.length - 1))).toThrow();
  });
});
