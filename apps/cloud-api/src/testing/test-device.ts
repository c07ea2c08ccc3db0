import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DeviceTimeSchema,
  IdentificationSchema,
  RecordPayloadSchema,
  SightingAckSchema,
  SightingBatchSchema,
  SightingPhase,
  SightingSchema,
  StageDurationsSchema,
  TemplateCodec,
  TemplateSchema,
  topicOf,
  type DeviceAddress,
  type Identification,
  type rest,
  type Sighting,
  type SightingAck,
} from '@sightline/contracts';
import { newSightingId, newStreamId, type DeviceId, type TenantId } from '@sightline/kernel';
import { connectMqtt, type MqttConnection } from '@sightline/messaging';
import type { Template } from '@sightline/template-protection';

import { RELEASE_DIGEST } from './fake-release.js';
import type { TestCloud } from './test-cloud.js';

const WAIT_MS = 8000;

/** A box: speaks the contract over a real broker, and remembers what it was answered. */
export interface TestDevice {
  readonly address: DeviceAddress;
  readonly streamId: string;
  readonly connection: MqttConnection;
  readonly provisioning: rest.Provisioning;
  readonly acks: SightingAck[];
  readonly identifications: Identification[];
  /** Publishes encoded records as one batch. */
  send(records: readonly TestRecord[], streamId?: string): Promise<void>;
  publish(payload: Uint8Array, channel?: 'sighting' | 'status' | 'birth' | 'state/reported'): Promise<void>;
  /** The next acknowledgement that fits; those that came before count. */
  acked(committedThrough: number): Promise<SightingAck>;
}

export interface TestRecord {
  readonly sequence: number | bigint;
  readonly payload: Uint8Array;
  readonly replayed?: boolean;
}

export const bootId = 'boot-1';
export const momentAt = (monotonicMs: number, wallMs = Date.now()) =>
  create(DeviceTimeSchema, {
    bootId,
    monotonicMs: BigInt(Math.round(monotonicMs)),
    wallMs: BigInt(Math.round(wallMs)),
    clockSynchronised: false,
  });

export function wireTemplate(template: Template) {
  const { spaceId, keyId, variantDigest, codec, scale, dimension, data, quality } = template;
  return create(TemplateSchema, {
    ...{ modelSpace: spaceId, keyId, scale, dimension, data, quality },
    variantDigest: Buffer.from(variantDigest, 'hex'),
    codec: codec === 'int8' ? TemplateCodec.INT8 : TemplateCodec.FLOAT16,
  });
}

/** A sound record, changed as the test wants it. */
export function sightingPayload(changes: Partial<Omit<Sighting, '$typeName' | '$unknown'>> = {}): Uint8Array {
  const now = performance.now();
  return toBinary(
    RecordPayloadSchema,
    create(RecordPayloadSchema, {
      recordedAt: momentAt(now),
      body: {
        case: 'sighting',
        value: create(SightingSchema, {
          sightingId: newSightingId(),
          revision: 1,
          phase: SightingPhase.OPEN,
          cameraId: 'door',
          firstSeenAt: momentAt(now - 500),
          lastSeenAt: momentAt(now - 100),
          releaseDigest: RELEASE_DIGEST,
          quality: 0.8,
          frames: 5,
          stageMs: create(StageDurationsSchema, { detect: 2, landmarks: 0.3, align: 1, embed: 3 }),
          ...changes,
        }),
      },
    }),
  );
}

export function gapPayload(first: number, last: number): Uint8Array {
  const gap = { firstSequence: BigInt(first), lastSequence: BigInt(last), reason: 1 };
  const message = { recordedAt: momentAt(performance.now()), body: { case: 'gap' as const, value: gap } };
  return toBinary(RecordPayloadSchema, create(RecordPayloadSchema, message));
}

export function batchPayload(streamId: string, records: readonly TestRecord[], correlationId = 'c'): Uint8Array {
  return toBinary(
    SightingBatchSchema,
    create(SightingBatchSchema, {
      schemaVersion: 1,
      correlationId,
      streamId,
      sentAt: momentAt(performance.now()),
      records: records.map(({ sequence, payload, replayed = false }) => ({
        sequence: BigInt(sequence),
        payload,
        replayed,
      })),
    }),
  );
}

/** Registers a box over REST and connects it. */
export async function startTestDevice(cloud: TestCloud, id: string): Promise<TestDevice> {
  const response = await cloud.request({ method: 'POST', url: '/v1/devices', payload: { id, siteId: 'lobby' } });
  const provisioning = response.json<rest.Provisioning>();
  const { username, password } = provisioning.mqtt;
  const connection = await connectMqtt({ url: cloud.broker.url, clientId: username, username, password });
  const address = { tenantId: provisioning.tenantId as TenantId, deviceId: id as DeviceId };
  const streamId = newStreamId();
  const acks: SightingAck[] = [];
  const identifications: Identification[] = [];
  await connection.subscribe(topicOf(address, 'sighting/ack'), async ({ payload }) => {
    acks.push(fromBinary(SightingAckSchema, payload));
  });
  await connection.subscribe(topicOf(address, 'identification'), async ({ payload }) => {
    identifications.push(fromBinary(IdentificationSchema, payload));
  });
  const publish: TestDevice['publish'] = (payload, channel = 'sighting') =>
    connection.publish(topicOf(address, channel), payload);
  return {
    ...{ address, streamId, connection, provisioning, acks, identifications, publish },
    send: (records, stream = streamId) => publish(batchPayload(stream, records)),
    acked: (committedThrough) =>
      until(
        () => acks.find((ack) => ack.committedThrough === BigInt(committedThrough)),
        `an ack of ${committedThrough}`,
      ),
  };
}

/** Waits until something is there. */
export async function until<T>(probe: () => T | undefined | Promise<T | undefined>, what: string): Promise<T> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
