import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  IdentificationSchema,
  RecordPayloadSchema,
  SightingAckSchema,
  SightingBatchSchema,
  SightingPhase,
  TemplateCodec,
  topicOf,
  type Channel,
  type DeviceAddress,
  type Identification,
  type rest,
} from '@sightline/contracts';
import { newSightingId, newStreamId, type DeviceId, type SightingId, type TenantId } from '@sightline/kernel';
import { connectMqtt, type MqttConnection } from '@sightline/messaging';

import { until } from './until.js';

export interface RawTemplate {
  readonly modelSpace: string;
  readonly keyId: string;
  readonly codec: TemplateCodec;
  readonly scale: number;
  readonly dimension: number;
  readonly data: Uint8Array;
}

/** A box that says over MQTT whatever the test wants it to, with the credentials of a provisioned one. */
export class RawDevice {
  readonly address: DeviceAddress;
  readonly #connection: MqttConnection;
  readonly #streamId = newStreamId();
  readonly #identifications: Identification[] = [];
  #disconnections = 0;
  #lastSequence = 0;
  #committedThrough = 0n;

  private constructor({ tenantId, deviceId }: rest.Provisioning, connection: MqttConnection) {
    this.address = { tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId };
    this.#connection = connection;
    connection.on('disconnected', () => (this.#disconnections += 1));
  }

  static async connect(provisioning: rest.Provisioning): Promise<RawDevice> {
    const { url, username, password } = provisioning.mqtt;
    const reconnect = { baseMs: 50, capMs: 200 };
    const connection = await connectMqtt({ url, clientId: username, username, password, reconnect });
    const device = new RawDevice(provisioning, connection);
    await connection.subscribe(topicOf(device.address, 'sighting/ack'), async ({ payload }) => {
      const { committedThrough } = fromBinary(SightingAckSchema, payload);
      if (committedThrough > device.#committedThrough) device.#committedThrough = committedThrough;
    });
    await connection.subscribe(topicOf(device.address, 'identification'), async ({ payload }) => {
      device.#identifications.push(fromBinary(IdentificationSchema, payload));
    });
    return device;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Sends a sighting as the next record; resolves with the decision once it is acknowledged and answered. */
  async see(template: RawTemplate): Promise<Identification> {
    const sightingId = newSightingId();
    await this.send(sightingPayload(sightingId, template));
    return until(() => this.#identifications.find((answer) => answer.sightingId === sightingId), 'a decision');
  }

  /** Sends the bytes of a record as the next one of the stream; resolves once it is acknowledged. */
  async send(payload: Uint8Array): Promise<void> {
    const sequence = BigInt((this.#lastSequence += 1));
    await this.publish('sighting', this.batch(payload, sequence));
    await until(() => (this.#committedThrough >= sequence ? true : undefined), `the acknowledgement of ${sequence}`);
  }

  batch(payload: Uint8Array, sequence = 1n): Uint8Array {
    const streamId = this.#streamId;
    const records = [{ sequence, replayed: false, payload }];
    const batch = { schemaVersion: 1, correlationId: 'bad-input', streamId, sentAt: moment(), records };
    return toBinary(SightingBatchSchema, create(SightingBatchSchema, batch));
  }

  publish(channel: Channel, payload: Uint8Array): Promise<void> {
    return this.#connection.publish(topicOf(this.address, channel), payload);
  }

  /** Publishes what costs a client its connection; resolves once that was lost and is there again. */
  async publishForbidden(address: DeviceAddress, channel: Channel, payload: Uint8Array): Promise<void> {
    const before = this.#disconnections;
    await this.#connection.publish(topicOf(address, channel), payload).catch(() => undefined);
    await until(() => (this.#disconnections > before ? true : undefined), 'the end of the connection');
    await until(() => (this.#connection.connected ? true : undefined), 'the next connection');
  }
}

export interface RawSighting {
  readonly revision?: number;
  readonly phase?: SightingPhase;
  readonly cameraId?: string;
}

export function sightingPayload(sightingId: SightingId, template: RawTemplate, raw: RawSighting = {}): Uint8Array {
  const sighting = {
    ...{ sightingId, revision: 1, phase: SightingPhase.CLOSE, cameraId: 'door', ...raw },
    ...{ firstSeenAt: moment(), lastSeenAt: moment(), releaseDigest: 'ab'.repeat(32), quality: 0.8, frames: 5 },
    templates: [{ ...template, variantDigest: new Uint8Array(32).fill(1), quality: 0.8 }],
  };
  const record = { recordedAt: moment(), body: { case: 'sighting' as const, value: sighting } };
  return toBinary(RecordPayloadSchema, create(RecordPayloadSchema, record));
}

const moment = () => ({
  bootId: 'raw-device',
  monotonicMs: BigInt(Math.round(performance.now())),
  wallMs: BigInt(Date.now()),
  clockSynchronised: true,
});
