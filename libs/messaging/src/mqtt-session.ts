import { AppError, errorMessage } from '@sightline/kernel';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';

import type { MqttTls } from './certificates.js';
import { connectionFailure } from './connection-failure.js';
import type { IncomingMessage } from './message-dispatcher.js';
import { Slots } from './slots.js';

/** The last words of a client whose connection has vanished, published by the broker. */
export interface MqttWill {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1;
  readonly retain: boolean;
}

export interface MqttSessionOptions {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  readonly url: string;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  /** Whether the broker forgets subscriptions and queued messages when the connection ends. */
  readonly clean: boolean;
  readonly will?: MqttWill;
  readonly keepaliveSeconds: number;
  readonly connectTimeoutMs: number;
  readonly tls?: MqttTls;
  /** Publishes of QoS 1 that await their PUBACK at once. */
  readonly maximumInFlight: number;
}

/** Takes a message; a returned promise stops the reading until it resolves. */
export type Receive = (incoming: IncomingMessage) => Promise<void> | undefined;

export type SubscriptionOutcome = 'granted' | 'refused' | 'connection lost';

/**
 * mqtt.js sends the PUBACK unless `handleMessage` answers with an error, which then goes nowhere: the next
 * packet is read as usual. The conformance suite watches over this.
 */
const ACKNOWLEDGED_LATER = new Error('acknowledged later');

const REFUSED_GRANT = 0x80;

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** PUBACK packets (MQTT 3.1.1, section 3.4): type 4, remaining length 2, packet identifier. */
function encodePubacks(packetIds: readonly number[]): Buffer {
  return Buffer.from(packetIds.flatMap((packetId) => [0x40, 0x02, packetId >> 8, packetId & 0xff]));
}

function toClientOptions(options: MqttSessionOptions): IClientOptions {
  const { username, password, will, tls } = options;
  return {
    protocolVersion: 4,
    clientId: options.clientId,
    clean: options.clean,
    keepalive: options.keepaliveSeconds,
    connectTimeout: options.connectTimeoutMs,
    reconnectPeriod: 0, // one client per network connection: nothing of an old one survives
    resubscribe: false,
    queueQoSZero: false,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(will && { will: { ...will, payload: toBuffer(will.payload) } }),
    ...(tls?.ca !== undefined && { ca: tls.ca }),
    ...(tls?.certificate !== undefined && { cert: tls.certificate }),
    ...(tls?.privateKey !== undefined && { key: tls.privateKey }),
  };
}

/** One network connection to a broker, from CONNECT to its end. It never reconnects. */
export class MqttSession {
  readonly #client: MqttClient;
  readonly #slots: Slots;
  readonly #keepaliveMs: number;
  readonly #publishes = new Set<(error: AppError) => void>();
  readonly #opened: Promise<{ readonly sessionPresent: boolean }>;
  readonly #acknowledgements: number[] = [];
  #reason = 'the connection was closed';
  #failure: unknown;
  #open = false;
  /** Resolves with the reason when the network connection is gone. */
  readonly ended: Promise<string>;

  /** Begins to connect at once. */
  constructor(options: MqttSessionOptions, receive: Receive) {
    this.#slots = new Slots(options.maximumInFlight);
    this.#keepaliveMs = options.keepaliveSeconds * 1000;
    const client = connect(options.url, toClientOptions(options));
    this.#client = client;
    client.on('error', (error) => {
      this.#failure ??= error;
      this.#reason = errorMessage(error);
    });
    this.ended = new Promise((resolve) => {
      client.on('close', () => {
        this.#onClosed();
        resolve(this.#reason);
      });
    });
    this.#opened = new Promise((resolve, reject) => {
      client.on('connect', ({ sessionPresent }) => {
        this.#open = true;
        resolve({ sessionPresent });
      });
      void this.ended.then((reason) => reject(connectionFailure(this.#failure, reason)));
    });
    this.#opened.catch(() => undefined); // `opened()` reports it to whoever asks
    this.#deferAcknowledgements(receive);
  }

  /**
   * @throws AppError `MQTT.UNREACHABLE` (retryable) when the broker is not there; `MQTT.BAD_CREDENTIALS`,
   *   `MQTT.CERTIFICATE_…` when it refuses us, `MQTT.BROKER_…` when we refuse it
   */
  opened(): Promise<{ readonly sessionPresent: boolean }> {
    return this.#opened;
  }

  async publish(topic: string, payload: Uint8Array, qos: 0 | 1, retain: boolean, signal?: AbortSignal): Promise<void> {
    const release = await this.#slots.acquire(signal);
    if (!this.#open) {
      release();
      throw this.#offline();
    }
    await new Promise<void>((resolve, reject) => {
      this.#publishes.add(reject);
      this.#client.publish(topic, toBuffer(payload), { qos, retain }, (error) => {
        release();
        this.#publishes.delete(reject);
        if (error) reject(this.#offline(error));
        else resolve();
      });
    });
  }

  subscribe(filter: string, qos: 0 | 1): Promise<SubscriptionOutcome> {
    return new Promise((resolve) => {
      this.#client.subscribe(filter, { qos }, (_error, _grants, packet) => {
        if (packet === undefined) resolve('connection lost');
        else resolve(packet.granted.some((grant) => Number(grant) >= REFUSED_GRANT) ? 'refused' : 'granted');
      });
    });
  }

  /** Resolves once the broker sends no more of these, or the connection is lost. */
  unsubscribe(filters: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      this.#client.unsubscribe([...filters], () => resolve());
      void this.ended.then(() => resolve());
    });
  }

  /** Ends the connection with a DISCONNECT, so that the will is not sent. Waits for no PUBACK. */
  async disconnect(reason: string): Promise<void> {
    if (!this.#open) {
      this.drop(reason);
      await this.ended;
      return;
    }
    this.#reason = reason;
    this.#flushAcknowledgements();
    this.#failPublishes();
    // mqtt.js would wait for outstanding PUBACKs without a bound: its bookkeeping is emptied first.
    for (const packetId of Object.keys(this.#client.outgoing)) this.#client.removeOutgoingMessage(Number(packetId));
    this.#client.end(false);
    await this.ended;
  }

  /** Cuts the network connection, as a lost one would be: the broker sends the will and redelivers. */
  drop(reason: string): void {
    this.#reason = reason;
    this.#client.end(true);
    this.#client.stream.destroy();
  }

  #onClosed(): void {
    this.#open = false;
    this.#failPublishes();
    this.#slots.close(this.#offline());
  }

  #failPublishes(): void {
    for (const reject of this.#publishes) reject(this.#offline());
    this.#publishes.clear();
  }

  #offline(cause?: unknown): AppError {
    return new AppError('MQTT.OFFLINE', 'There is no connection to the broker.', { retryable: true, cause });
  }

  /**
   * Replaces mqtt.js's acknowledgement, which is sent when its serial handler calls back, by one that is sent
   * whenever the message has been handled, while other packets are read. Acknowledgements go out in the order
   * in which handling ends; [MQTT-4.6.0-2] asks for the order of arrival, but one slow message would then hold
   * up all others, and brokers find the message by its identifier.
   */
  #deferAcknowledgements(receive: Receive): void {
    this.#client.handleMessage = (packet, callback) => {
      if (!this.#open) {
        callback(ACKNOWLEDGED_LATER);
        return;
      }
      const { topic, payload, retain, dup, qos, messageId } = packet;
      const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
      const wait = receive({
        message: {
          topic,
          payload: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength),
          retained: retain,
          duplicate: dup,
        },
        acknowledge: () => {
          if (qos === 1 && messageId !== undefined) this.#acknowledge(messageId);
        },
      });
      if (wait === undefined) callback(ACKNOWLEDGED_LATER);
      else void this.#pauseReading(wait).then(() => callback(ACKNOWLEDGED_LATER));
    };
  }

  /** A batch that commits acknowledges many messages at once: they share one write. */
  #acknowledge(packetId: number): void {
    if (this.#acknowledgements.push(packetId) === 1) setImmediate(() => this.#flushAcknowledgements());
  }

  #flushAcknowledgements(): void {
    const packetIds = this.#acknowledgements.splice(0);
    if (this.#open && packetIds.length > 0) this.#client.stream.write(encodePubacks(packetIds));
  }

  /** While nothing is read, PINGRESPs aren't either: keep both sides from taking that for a dead connection. */
  async #pauseReading(wait: Promise<void>): Promise<void> {
    const timer = setInterval(() => {
      if (!this.#open) return;
      this.#client.sendPing();
      this.#client.reschedulePing(true);
    }, this.#keepaliveMs / 3);
    await Promise.race([wait, this.ended]);
    clearInterval(timer);
  }
}
