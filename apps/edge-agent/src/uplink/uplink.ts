import { randomUUID } from 'node:crypto';

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  channels,
  DesiredConfigSchema,
  DesiredReleaseSchema,
  IdentificationSchema,
  GalleryDeltaSchema,
  GalleryReceiptSchema,
  SightingAckSchema,
  topicOf,
  type Channel,
  type DesiredConfig,
  type DesiredRelease,
  type DeviceAddress,
  type GalleryReceipt,
  type Identification,
} from '@sightline/contracts';
import { errorMessage, isAppError, type Clock, type Logger } from '@sightline/kernel';
import { connectMqtt, type ConnectMqttOptions, type MqttConnection } from '@sightline/messaging';

import type { LocalCache } from '../cache/local-cache.js';
import type { Outbox } from '../outbox/outbox.js';
import type { TrustedTime } from '../trusted-time.js';
import type { BatchSender } from './batch-sender.js';
import type { DeviceState } from './device-state.js';
import type { IdentificationInbox } from './identification-inbox.js';
import type { UplinkLink, UplinkPart } from './uplink-part.js';

export interface UplinkOptions {
  readonly address: DeviceAddress;
  readonly mqtt: Pick<ConnectMqttOptions, 'url' | 'username' | 'password' | 'tls' | 'reconnect'>;
  readonly outbox: Outbox;
  readonly state: DeviceState;
  readonly identifications: IdentificationInbox;
  /** Absent where the box has none. */
  readonly cache: Pick<LocalCache, 'take' | 'answered' | 'pendingReceipt' | 'receipted'> | undefined;
  readonly createSender: (publish: (batch: Uint8Array) => Promise<void>) => BatchSender;
  /** What else has channels of its own. */
  readonly parts: readonly UplinkPart[];
  readonly trustedTime: Pick<TrustedTime, 'observe' | 'persist'>;
  /** One that came in time, and may be acted upon. */
  readonly onIdentification: (identification: Identification) => void;
  readonly onDesiredRelease: (desired: DesiredRelease) => void;
  readonly onDesiredConfig: (desired: DesiredConfig) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How long the last words of a stopping agent may take, ms. */
const FAREWELL_MS = 2000;

/**
 * The box's end of the MQTT contract. Each network connection has a session id of its own, which its will
 * carries too, so that a late will of an old connection is told from the death of this one.
 */
export class Uplink implements UplinkLink {
  readonly #options: UplinkOptions;
  readonly #sender: BatchSender;
  #connection: MqttConnection | undefined;
  #sessionId: string = randomUUID();
  #removeListeners: (() => void)[] = [];
  #stopping = false;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#sender = options.createSender((batch) => this.publish('sighting', batch));
  }

  get sessionId(): string {
    return this.#sessionId;
  }

  get connected(): boolean {
    return this.#connection?.connected ?? false;
  }

  /** Connects in the background, for as long as it takes. */
  async start(): Promise<void> {
    const { address, mqtt, outbox, state, clock, log, onDesiredConfig, onDesiredRelease } = this.#options;
    const connection = await connectMqtt({
      ...mqtt,
      clientId: `${address.tenantId}/${address.deviceId}`,
      clean: false,
      will: () => {
        this.#sessionId = randomUUID();
        const payload = state.status(this.#sessionId, false);
        return { topic: topicOf(address, 'status'), payload, qos: 1, retain: true };
      },
      clock,
      log,
    });
    this.#connection = connection;
    this.#removeListeners = [
      connection.on('connected', () => void this.#greet()),
      connection.on('disconnected', () => this.#disconnected()),
      outbox.onStored(() => this.#sender.pump()),
    ];
    this.subscribe(
      'sighting/ack',
      (bytes) => fromBinary(SightingAckSchema, bytes),
      (ack) => {
        this.#options.trustedTime.observe(Number(ack.cloudTimeMs));
        this.#sender.acknowledged(ack);
      },
    );
    this.subscribe(
      'identification',
      (bytes) => fromBinary(IdentificationSchema, bytes),
      (identification) => {
        this.#options.cache?.answered(identification);
        const ageMs = this.#options.identifications.take(identification, outbox.streamId);
        const { sightingId, revision } = identification;
        if (ageMs === undefined) return;
        log.debug({ sightingId, revision, ageMs }, 'a sighting was identified in time');
        this.#options.onIdentification(identification);
      },
    );
    this.subscribe('desired/release', (bytes) => fromBinary(DesiredReleaseSchema, bytes), onDesiredRelease);
    this.subscribe('desired/config', (bytes) => fromBinary(DesiredConfigSchema, bytes), onDesiredConfig);
    this.#followGallery();
    for (const part of this.#options.parts) part.attach(this);
    if (connection.connected) void this.#greet();
  }

  /** Tells the cloud what has changed; without a connection the next birth does. */
  async reportChange(options: { readonly birth: boolean }): Promise<void> {
    if (!this.connected) return;
    const { state } = this.#options;
    await this.#announce(async () => {
      if (options.birth) await this.publish('birth', state.birth(this.#sessionId));
      await this.publish('state/reported', state.reported(this.#sessionId));
    });
  }

  /** The delivery policy has changed. */
  pump(): void {
    this.#sender.pump();
  }

  /** Says goodbye where there is a connection, and closes it. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const remove of this.#removeListeners.splice(0)) remove();
    this.#sender.disconnected();
    for (const part of this.#options.parts) await part.stop();
    this.#options.trustedTime.persist();
    if (this.connected) {
      const farewell = AbortSignal.timeout(FAREWELL_MS);
      const status = this.#options.state.status(this.#sessionId, false);
      await this.#announce(() => this.publish('status', status, farewell));
    }
    await this.#connection?.close();
  }

  #disconnected(): void {
    this.#sender.disconnected();
    for (const part of this.#options.parts) part.disconnected();
  }

  async #greet(): Promise<void> {
    const { state } = this.#options;
    const sessionId = this.#sessionId;
    await this.#announce(async () => {
      await this.publish('status', state.status(sessionId, true));
      await this.publish('birth', state.birth(sessionId));
      await this.publish('state/reported', state.reported(sessionId));
    });
    const receipt = this.#options.cache?.pendingReceipt();
    if (receipt) await this.#sendReceipt(receipt);
    // A farewell may have come between: then there is nothing left to send from.
    if (this.#stopping || !this.connected || sessionId !== this.#sessionId) return;
    this.#sender.connected();
    for (const part of this.#options.parts) part.connected();
  }

  #followGallery(): void {
    const { cache } = this.#options;
    if (!cache) return;
    this.subscribe(
      'gallery',
      (bytes) => fromBinary(GalleryDeltaSchema, bytes),
      (delta) => void this.#sendReceipt(cache.take(delta)),
    );
  }

  async #sendReceipt(receipt: GalleryReceipt): Promise<void> {
    await this.#announce(async () => {
      await this.publish('gallery/receipt', toBinary(GalleryReceiptSchema, receipt));
      this.#options.cache?.receipted(receipt);
    });
  }

  async #announce(publish: () => Promise<void>): Promise<void> {
    try {
      await publish();
    } catch (error) {
      // The connection is gone: the next one begins with a birth.
      const code = isAppError(error) ? error.code : 'UPLINK.PUBLISH_FAILED';
      this.#options.log.debug({ code }, 'the broker did not take what the box says of itself');
    }
  }

  publish(channel: Channel, payload: Uint8Array, signal?: AbortSignal): Promise<void> {
    const { address } = this.#options;
    const { qos, retain } = channels[channel];
    const options = { qos, retain, ...(signal && { signal }) };
    return this.#connection?.publish(topicOf(address, channel), payload, options) ?? Promise.resolve();
  }

  subscribe<Message>(
    channel: Channel,
    decode: (bytes: Uint8Array) => Message,
    handle: (message: Message) => void,
  ): void {
    const { address, log } = this.#options;
    const subscribed = this.#connection?.subscribe(topicOf(address, channel), async ({ payload }) => {
      // Always acknowledged: what cannot be used now cannot be used later either.
      try {
        handle(decode(payload));
      } catch (error) {
        const code = isAppError(error) ? error.code : 'MQTT.MALFORMED_MESSAGE';
        log.warn({ code, channel, cause: errorMessage(error) }, 'ignored a message of the cloud');
      }
    });
    subscribed?.catch((error: unknown) => {
      const code = isAppError(error) ? error.code : 'MQTT.SUBSCRIPTION_REFUSED';
      if (code !== 'MQTT.CLOSED') log.error({ code, channel }, 'cannot hear the cloud on a channel');
    });
  }
}
