import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  CloseReason,
  RecordPayloadSchema,
  SightingPhase,
  SightingSchema,
  TemplateCodec as WireCodec,
  TemplateSchema,
  type DeviceTime,
  type Sighting,
  type Template as WireTemplate,
} from '@sightline/contracts';
import type { SightingId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';

import type { NewRecord } from '../outbox/outbox-store.js';

const WIRE_CODECS = { int8: WireCodec.INT8, float16: WireCodec.FLOAT16 } as const;

/** A template in the wire's form. */
export function wireTemplate(template: Template): WireTemplate {
  const { spaceId, keyId, variantDigest, codec, scale, dimension, data, quality } = template;
  return create(TemplateSchema, {
    modelSpace: spaceId,
    keyId,
    variantDigest: Buffer.from(variantDigest, 'hex'),
    codec: WIRE_CODECS[codec],
    scale,
    dimension,
    data,
    quality,
  });
}

/** One revision of a sighting, as the outbox stores it. */
export function sightingRecord(sighting: Sighting, recordedAt: DeviceTime): NewRecord {
  const payload = create(RecordPayloadSchema, { recordedAt, body: { case: 'sighting', value: sighting } });
  return {
    payload: toBinary(RecordPayloadSchema, payload),
    sightingId: sighting.sightingId as SightingId,
    leavesOpen: sighting.phase !== SightingPhase.CLOSE,
  };
}

/**
 * The record that closes a sighting which an earlier boot left open. Its times of sight stay that boot's.
 *
 * @param payload the sighting's last record
 * @returns undefined when that is no sighting
 */
export function closingRecord(payload: Uint8Array, recordedAt: DeviceTime): NewRecord | undefined {
  const last = fromBinary(RecordPayloadSchema, payload);
  if (last.body.case !== 'sighting') return undefined;
  const { value: sighting } = last.body;
  const closed = create(SightingSchema, {
    ...sighting,
    revision: sighting.revision + 1,
    phase: SightingPhase.CLOSE,
    closeReason: CloseReason.AGENT_STOPPED,
  });
  return sightingRecord(closed, recordedAt);
}
