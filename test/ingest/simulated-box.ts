import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DeviceTimeSchema,
  IdentificationSchema,
  RecordPayloadSchema,
  SightingAckSchema,
  SightingBatchSchema,
  SightingPhase,
  SightingSchema,
  TemplateSchema,
  topicOf,
  type DeviceAddress,
  type Identification,
  type Template,
} from '@sightline/contracts';
import { isAppError, newSightingId, newStreamId, type SightingId, type StreamId } from '@sightline/kernel';
import { connectMqtt, type MqttConnection } from '@sightline/messaging';

export interface SimulatedBoxOptions {
  readonly url: string;
  readonly address: DeviceAddress;
  readonly password: string;
  /** Records of one batch at most. */
  readonly batchRecords: number;
  /** How long it waits for an acknowledgement before it sends again, ms. */
  readonly timeoutMs: number;
  readonly onIdentification?: (identification: Identification) => void;
}

interface StoredRecord {
  readonly sequence: number;
  readonly payload: Uint8Array;
  readonly replayed: boolean;
}

const WINDOW = 4;

/**
 * A box reduced to its delivery, as DESIGN's decision 4 has it: records keep their sequence, are sent in batches of which
 * a bounded number is in flight, leave the outbox on the cloud's acknowledgement alone, and are sent again from there on
 * every connection and after a timeout. Its outbox is in memory: it is the others that are killed.
 */
export class SimulatedBox {
  readonly address: DeviceAddress;
  readonly streamId: StreamId = newStreamId();
  readonly #options: SimulatedBoxOptions;
  readonly #connection: MqttConnection;
  readonly #bootId: string;
  /** What is not acknowledged, in the order of its sequences. */
  #outbox: StoredRecord[] = [];
  #lastSequence = 0;
  #committedThrough = 0;
  #sentThrough = 0;
  /** Last sequences of the batches in flight. */
  #inFlight: number[] = [];
  #window = WINDOW;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(options: SimulatedBoxOptions, connection: MqttConnection) {
    this.#options = options;
    this.#connection = connection;
    this.address = options.address;
    this.#bootId = `boot-${options.address.deviceId}`;
  }

  /** Resolves once it is connected. */
  static async start(options: SimulatedBoxOptions): Promise<SimulatedBox> {
    const { tenantId, deviceId } = options.address;
    const name = `${tenantId}/${deviceId}`;
    const reconnect = { baseMs: 100, capMs: 500 };
    const connection = await connectMqtt({
      ...{ url: options.url, clientId: name, username: name, password: options.password, reconnect },
    });
    const box = new SimulatedBox(options, connection);
    await box.#run();
    return box;
  }

  /** Records that are not acknowledged. */
  get waiting(): number {
    return this.#outbox.length;
  }

  /** Highest sequence below which everything is acknowledged. */
  get committedThrough(): number {
    return this.#committedThrough;
  }

  /** How many batches it was last allowed to have in flight. */
  get window(): number {
    return this.#window;
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** Records one revision of a sighting and sends it as soon as the window allows. */
  record(sighting: {
    readonly id?: SightingId;
    readonly revision?: number;
    readonly templates?: readonly Template[];
    /** How long ago it was recorded, ms: a box that was offline sends what is old. */
    readonly agoMs?: number;
  }): SightingId {
    const { id = newSightingId(), revision = 1, templates = [], agoMs = 0 } = sighting;
    this.#lastSequence += 1;
    const payload = sightingPayload({ id, revision, templates, bootId: this.#bootId, agoMs });
    this.#outbox.push({ sequence: this.#lastSequence, payload, replayed: false });
    this.#send();
    return id;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#connection.close();
  }

  async #run(): Promise<void> {
    const { address, onIdentification } = this.#options;
    this.#connection.on('connected', () => this.#sendAgain());
    await this.#connection.subscribe(topicOf(address, 'sighting/ack'), async ({ payload }) => {
      const { streamId, committedThrough, window } = fromBinary(SightingAckSchema, payload);
      if (streamId === this.streamId) this.#acknowledged(Number(committedThrough), window);
    });
    await this.#connection.subscribe(topicOf(address, 'identification'), async ({ payload }) => {
      onIdentification?.(fromBinary(IdentificationSchema, payload));
    });
  }

  #acknowledged(committedThrough: number, window: number): void {
    this.#window = Math.min(WINDOW, Math.max(1, window));
    if (committedThrough > this.#committedThrough) {
      this.#committedThrough = committedThrough;
      const kept = this.#outbox.findIndex(({ sequence }) => sequence > committedThrough);
      this.#outbox = kept === -1 ? [] : this.#outbox.slice(kept);
      this.#inFlight = this.#inFlight.filter((last) => last > committedThrough);
      this.#sentThrough = Math.max(this.#sentThrough, committedThrough);
      this.#watch();
    }
    this.#send();
  }

  #sendAgain(): void {
    this.#inFlight = [];
    this.#sentThrough = this.#committedThrough;
    this.#outbox = this.#outbox.map((record) => ({ ...record, replayed: true }));
    this.#send();
  }

  #send(): void {
    while (!this.#closed && this.#connection.connected && this.#inFlight.length < this.#window) {
      const start = this.#sentThrough - this.#committedThrough;
      const records = this.#outbox.slice(start, start + this.#options.batchRecords);
      const last = records.at(-1);
      if (last === undefined) return;
      this.#sentThrough = last.sequence;
      this.#inFlight.push(last.sequence);
      if (this.#inFlight.length === 1) this.#watch();
      this.#connection.publish(topicOf(this.address, 'sighting'), this.#batch(records)).catch((error: unknown) => {
        // Sent again on the next connection.
        if (!isAppError(error, 'MQTT.OFFLINE')) throw error;
      });
    }
  }

  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#inFlight.length === 0 || this.#closed) return;
    this.#timer = setTimeout(() => this.#sendAgain(), this.#options.timeoutMs);
  }

  #batch(records: readonly StoredRecord[]): Uint8Array {
    return toBinary(
      SightingBatchSchema,
      create(SightingBatchSchema, {
        schemaVersion: 1,
        correlationId: 'c',
        streamId: this.streamId,
        sentAt: momentNow(this.#bootId),
        records: records.map(({ sequence, payload, replayed }) => ({ sequence: BigInt(sequence), payload, replayed })),
      }),
    );
  }
}

/** Boxes have been up for so long, ms: what they recorded yesterday has a monotonic time too. */
const UPTIME_MS = 10 * 86_400_000;

function momentNow(bootId: string, agoMs = 0) {
  return create(DeviceTimeSchema, {
    bootId,
    monotonicMs: BigInt(Math.round(UPTIME_MS + performance.now() - agoMs)),
    wallMs: BigInt(Math.round(Date.now() - agoMs)),
    clockSynchronised: true,
  });
}

function sightingPayload(sighting: {
  readonly id: SightingId;
  readonly revision: number;
  readonly templates: readonly Template[];
  readonly bootId: string;
  readonly agoMs: number;
}): Uint8Array {
  const moment = momentNow(sighting.bootId, sighting.agoMs);
  return toBinary(
    RecordPayloadSchema,
    create(RecordPayloadSchema, {
      recordedAt: moment,
      body: {
        case: 'sighting',
        value: create(SightingSchema, {
          sightingId: sighting.id,
          revision: sighting.revision,
          phase: sighting.revision === 1 ? SightingPhase.OPEN : SightingPhase.UPDATE,
          cameraId: 'door',
          firstSeenAt: moment,
          lastSeenAt: moment,
          releaseDigest: 'cd'.repeat(32),
          quality: 0.8,
          frames: 5,
          templates: [...sighting.templates],
        }),
      },
    }),
  );
}

/** A template of a probe as it came from `CloudProcess.fillGallery`. */
export const templateFrom = (bytes: Uint8Array): Template => fromBinary(TemplateSchema, bytes);
