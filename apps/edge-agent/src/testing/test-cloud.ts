import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DesiredConfigSchema,
  DesiredReleaseSchema,
  DeviceBirthSchema,
  DeviceStatusSchema,
  GalleryReceiptSchema,
  IdentificationSchema,
  RecordPayloadSchema,
  ReportedStateSchema,
  SightingAckSchema,
  SightingBatchSchema,
  fleetFilter,
  topicOf,
  type Channel,
  type DesiredConfig,
  type DesiredRelease,
  type DeviceBirth,
  type DeviceStatus,
  type GalleryReceipt,
  type Identification,
  type RecordPayload,
  type ReportedState,
  type Sighting,
  type SightingAck,
  type SightingBatch,
} from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { connectMqtt, startEmbeddedBroker, type EmbeddedBroker, type MqttConnection } from '@sightline/messaging';

const address = { tenantId: 'acme' as TenantId, deviceId: 'door-1' as DeviceId };
const DEVICE_PASSWORD = 'device-password';
const SERVICE_PASSWORD = 'service-password';

/** What a test may send of a protobuf message: its own fields alone. */
type Fields<Message> = Partial<Omit<Message, '$typeName' | '$unknown'>>;

/**
 * The cloud's end of the contract for tests: a real broker, and an ingest in memory that acknowledges what it
 * has. Its memory survives `restart`, as a database would, while the broker's does not.
 */
export class TestCloud {
  readonly batches: SightingBatch[] = [];
  readonly births: DeviceBirth[] = [];
  readonly statuses: DeviceStatus[] = [];
  readonly reported: ReportedState[] = [];
  readonly receipts: GalleryReceipt[] = [];
  /** How often each record arrived, by `{stream}/{sequence}`. */
  readonly arrivals = new Map<string, number>();
  /** Acknowledgements that are not sent although the records were taken. */
  losesAcknowledgements = false;
  /** Batches that are ignored altogether. */
  isDeaf = false;
  window = 4;
  readonly #records = new Map<string, Map<number, RecordPayload>>();
  #broker: EmbeddedBroker | undefined;
  #connection: MqttConnection | undefined;
  #port = 0;

  async start(): Promise<void> {
    this.#broker = await startEmbeddedBroker({
      host: '127.0.0.1',
      port: this.#port,
      authenticate: async (username, password) => {
        if (username === 'acme/door-1' && password === DEVICE_PASSWORD) return { kind: 'device', ...address };
        return username === 'cloud' && password === SERVICE_PASSWORD ? { kind: 'service', name: 'cloud' } : undefined;
      },
    });
    this.#port = this.#broker.port;
    this.#connection = await connectMqtt({
      url: this.#broker.url,
      clientId: 'cloud',
      username: 'cloud',
      password: SERVICE_PASSWORD,
      reconnect: { baseMs: 20, capMs: 50 },
    });
    const keep = <Message>(channel: Channel, list: Message[], decode: (bytes: Uint8Array) => Message): Promise<void> =>
      this.#subscribe(channel, async (payload) => void list.push(decode(payload)));
    await keep('birth', this.births, (bytes) => fromBinary(DeviceBirthSchema, bytes));
    await keep('status', this.statuses, (bytes) => fromBinary(DeviceStatusSchema, bytes));
    await keep('state/reported', this.reported, (bytes) => fromBinary(ReportedStateSchema, bytes));
    await keep('gallery/receipt', this.receipts, (bytes) => fromBinary(GalleryReceiptSchema, bytes));
    await this.#subscribe('sighting', (payload) => this.#ingest(fromBinary(SightingBatchSchema, payload)));
  }

  /** Goes away: every connection is cut, and the broker's memory is gone. */
  async stop(): Promise<void> {
    const [broker, connection] = [this.#broker, this.#connection];
    this.#broker = undefined;
    this.#connection = undefined;
    await broker?.close();
    await connection?.close();
  }

  /** What the box is provisioned with. */
  get mqtt(): { readonly url: string; readonly username: string; readonly password: string } {
    return { url: `mqtt://127.0.0.1:${this.#port}`, username: 'acme/door-1', password: DEVICE_PASSWORD };
  }

  /** Every record that was taken, in the order of streams and sequences. */
  get records(): readonly RecordPayload[] {
    return [...this.#records.values()].flatMap((stream) =>
      [...stream.entries()].sort(([a], [b]) => a - b).map(([, payload]) => payload),
    );
  }

  get sightings(): readonly Sighting[] {
    return this.records.flatMap(({ body }) => (body.case === 'sighting' ? [body.value] : []));
  }

  /** The highest revision of each sighting. */
  get latest(): readonly Sighting[] {
    const latest = new Map<string, Sighting>();
    for (const sighting of this.sightings) {
      if (sighting.revision >= (latest.get(sighting.sightingId)?.revision ?? 0)) {
        latest.set(sighting.sightingId, sighting);
      }
    }
    return [...latest.values()];
  }

  /** The highest sequence of a stream below which everything is here. */
  watermark(streamId: string): number {
    const stream = this.#records.get(streamId);
    let through = 0;
    while (stream?.has(through + 1)) through += 1;
    return through;
  }

  acknowledge(ack: Fields<SightingAck>): Promise<void> {
    return this.#publish('sighting/ack', toBinary(SightingAckSchema, create(SightingAckSchema, ack)));
  }

  identify(identification: Fields<Identification>): Promise<void> {
    const message = create(IdentificationSchema, identification);
    return this.#publish('identification', toBinary(IdentificationSchema, message));
  }

  desireRelease(desired: Fields<DesiredRelease>): Promise<void> {
    return this.#publish('desired/release', toBinary(DesiredReleaseSchema, create(DesiredReleaseSchema, desired)));
  }

  desireConfig(desired: Fields<DesiredConfig>): Promise<void> {
    return this.#publish('desired/config', toBinary(DesiredConfigSchema, create(DesiredConfigSchema, desired)));
  }

  /** Sends bytes that may be no message at all. */
  sendRaw(channel: Channel, payload: Uint8Array): Promise<void> {
    return this.#publish(channel, payload);
  }

  async #ingest(batch: SightingBatch): Promise<void> {
    if (this.isDeaf) return;
    this.batches.push(batch);
    const stream = this.#records.get(batch.streamId) ?? new Map<number, RecordPayload>();
    this.#records.set(batch.streamId, stream);
    for (const { sequence, payload } of batch.records) {
      const key = `${batch.streamId}/${sequence}`;
      this.arrivals.set(key, (this.arrivals.get(key) ?? 0) + 1);
      stream.set(Number(sequence), fromBinary(RecordPayloadSchema, payload));
    }
    if (this.losesAcknowledgements) return;
    const { correlationId, streamId } = batch;
    const committedThrough = BigInt(this.watermark(streamId));
    await this.acknowledge({ schemaVersion: 1, correlationId, streamId, committedThrough, window: this.window });
  }

  async #subscribe(channel: Channel, handle: (payload: Uint8Array) => Promise<void>): Promise<void> {
    await this.#connection?.subscribe(fleetFilter(channel), ({ payload }) => handle(payload));
  }

  async #publish(channel: Channel, payload: Uint8Array): Promise<void> {
    const retain = channel === 'desired/release' || channel === 'desired/config';
    await this.#connection?.publish(topicOf(address, channel), payload, { qos: 1, retain });
  }
}
