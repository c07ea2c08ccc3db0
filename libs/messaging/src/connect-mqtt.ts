import { AppError, backoffMs, silentLogger, systemClock, type Clock, type Logger } from '@sightline/kernel';

import { Certificates, type MqttTls, type MqttTlsSource } from './certificates.js';
import { connectionFailure } from './connection-failure.js';
import { MessageDispatcher, type DispatchLimits } from './message-dispatcher.js';
import type {
  MqttConnection,
  MqttConnectionEvents,
  MqttMessageHandler,
  MqttPublishOptions,
  MqttSubscribeOptions,
} from './mqtt-connection.js';
import { MqttSession, type MqttSessionOptions, type MqttWill } from './mqtt-session.js';
import { ReconnectPolicy, type ReconnectBounds } from './reconnect-policy.js';
import { isTopicName } from './topic-filter.js';
import { untilAborted } from './until-aborted.js';

export interface ConnectMqttOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, host and port. */
  readonly url: string;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  /** Default: false, a persistent session, without which nothing is delivered again. */
  readonly clean?: boolean;
  /** A function is asked for the will of each new network connection. */
  readonly will?: MqttWill | (() => MqttWill);
  /** Default: 30. */
  readonly keepaliveSeconds?: number;
  /** A function is asked before each connection, and now and then whether its answer has changed. */
  readonly tls?: MqttTls | MqttTlsSource;
  /** Publishes that await their PUBACK at once. Default: 256. */
  readonly maximumInFlight?: number;
  /** Received messages held without acknowledgement, before reading stops. Default: 1024 messages, 64 MiB. */
  readonly maximumUnacknowledged?: DispatchLimits;
  /** Bounds of the delay before each new connection, with full jitter. Default: 500 ms, doubling up to 15 s. */
  readonly reconnect?: ReconnectBounds;
  /** Bounds of the delay before a rejected message is asked for again. Default: 1 s, doubling up to 60 s. */
  readonly redeliver?: { readonly baseMs: number; readonly capMs: number };
  /** How long `close` waits for handlers and publishes under way. Default: 5 s. */
  readonly closeTimeoutMs?: number;
  readonly log?: Logger;
  readonly clock?: Clock;
  /** Uniform in [0, 1), for the jitter. */
  readonly random?: () => number;
}

interface Subscription {
  readonly filter: string;
  readonly qos: 0 | 1;
  readonly group: string | undefined;
  readonly granted: Promise<void>;
  readonly grant: () => void;
  readonly refuse: (error: AppError) => void;
  wasGranted: boolean;
}

type Listeners = { readonly [E in keyof MqttConnectionEvents]: Set<(detail: MqttConnectionEvents[E]) => void> };

const CONNECT_TIMEOUT_MS = 10_000;
const DISCONNECT_TIMEOUT_MS = 2000;
/** How often certificates that may change are looked at. */
const CERTIFICATES_EVERY_MS = 2000;
const MIB = 1024 * 1024;

function newSubscription(filter: string, { qos = 1, group }: MqttSubscribeOptions): Subscription {
  let grant: () => void = () => undefined;
  let refuse: (error: AppError) => void = () => undefined;
  const granted = new Promise<void>((resolve, reject) => {
    grant = resolve;
    refuse = reject;
  });
  granted.catch(() => undefined); // reported to the caller of `subscribe`, if still there
  return { filter, qos, group, granted, grant, refuse, wasGranted: false };
}

/** The filter as the broker is asked for it. */
const filterOnWire = ({ filter, group }: Subscription): string =>
  group === undefined ? filter : `$share/${group}/${filter}`;

/** Keeps one session alive: reconnects with jittered backoff, subscribes again, and asks for redelivery. */
class ReconnectingConnection implements MqttConnection {
  readonly #sessionOptions: Omit<MqttSessionOptions, 'will' | 'tls'>;
  readonly #certificates: Certificates;
  readonly #will: MqttWill | (() => MqttWill) | undefined;
  readonly #dispatcher: MessageDispatcher;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #publishing = new Set<Promise<void>>();
  readonly #listeners: Listeners = { connected: new Set(), disconnected: new Set() };
  readonly #closing = new AbortController();
  readonly #policy: ReconnectPolicy;
  readonly #redeliver: { readonly baseMs: number; readonly capMs: number };
  readonly #closeTimeoutMs: number;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #random: () => number;
  #session: MqttSession | undefined;
  #renewal: { attempt: number; atMs: number; pending: boolean } = { attempt: 0, atMs: -Infinity, pending: false };
  #running: Promise<unknown> | undefined;
  /** Leaves out the wait for the next attempt, or ends it. */
  #retry = new AbortController();
  #troubleCode: string | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: ConnectMqttOptions) {
    this.#log = (options.log ?? silentLogger).child({ clientId: options.clientId });
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#policy = new ReconnectPolicy(options.reconnect ?? { baseMs: 500, capMs: 15_000 }, this.#random);
    this.#certificates = new Certificates(options.tls);
    this.#redeliver = options.redeliver ?? { baseMs: 1000, capMs: 60_000 };
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 5000;
    const { url, clientId, username, password } = options;
    this.#will = options.will;
    this.#sessionOptions = {
      url,
      clientId,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      clean: options.clean ?? false,
      keepaliveSeconds: options.keepaliveSeconds ?? 30,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      maximumInFlight: options.maximumInFlight ?? 256,
    };
    this.#dispatcher = new MessageDispatcher({
      limits: options.maximumUnacknowledged ?? { messages: 1024, bytes: 64 * MIB },
      clock: this.#clock,
      log: this.#log,
      onFailure: () => void this.#renewSession('a message could not be handled'),
    });
  }

  get connected(): boolean {
    return this.#session !== undefined;
  }

  start(): void {
    this.#running = Promise.all([this.#run(), this.#watchCertificates()]);
  }

  on<Event extends keyof MqttConnectionEvents>(
    event: Event,
    listener: (detail: MqttConnectionEvents[Event]) => void,
  ): () => void {
    const listeners = this.#listeners[event];
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  async publish(topic: string, payload: Uint8Array, options: MqttPublishOptions = {}): Promise<void> {
    const { qos = 1, retain = false, signal } = options;
    if (!isTopicName(topic)) throw new AppError('MQTT.UNKNOWN_TOPIC', 'The topic is empty or has a wildcard.');
    const session = this.#session;
    if (session === undefined) {
      throw new AppError('MQTT.OFFLINE', 'There is no connection to the broker.', { retryable: true });
    }
    const published = session.publish(topic, payload, qos, retain, signal);
    const settled = published.catch(() => undefined);
    this.#publishing.add(settled);
    void settled.then(() => this.#publishing.delete(settled));
    await untilAborted(published, signal);
  }

  async subscribe(filter: string, handler: MqttMessageHandler, options: MqttSubscribeOptions = {}): Promise<void> {
    if (this.#closing.signal.aborted) throw this.#closedError();
    if (this.#subscriptions.has(filter)) {
      throw new AppError('MQTT.ALREADY_SUBSCRIBED', 'The topic filter has a handler already.');
    }
    const subscription = newSubscription(filter, options);
    this.#subscriptions.set(filter, subscription);
    this.#dispatcher.register(filter, handler);
    if (this.#session) void this.#requestSubscription(this.#session, subscription);
    await untilAborted(subscription.granted, options.signal);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#leaveGroups();
    this.#closing.abort();
    this.#dispatcher.stop();
    const bound = new AbortController();
    const finished = this.#dispatcher.idle().then(() => Promise.all(this.#publishing));
    const timeout = this.#clock.sleep(this.#closeTimeoutMs, bound.signal).catch(() => undefined);
    await Promise.race([finished, timeout]);
    bound.abort();
    if (this.#session) await this.#disconnect(this.#session, 'the client has closed the connection');
    await this.#running;
    for (const subscription of this.#subscriptions.values()) subscription.refuse(this.#closedError());
  }

  /** What comes from now on is for the others of the group; what has come already stays this session's. */
  async #leaveGroups(): Promise<void> {
    const shared = [...this.#subscriptions.values()].filter(({ group }) => group !== undefined);
    if (shared.length === 0 || this.#session === undefined) return;
    const bound = new AbortController();
    const timeout = this.#clock.sleep(DISCONNECT_TIMEOUT_MS, bound.signal).catch(() => undefined);
    await Promise.race([this.#session.unsubscribe(shared.map(filterOnWire)), timeout]);
    bound.abort();
  }

  async #disconnect(session: MqttSession, reason: string): Promise<void> {
    const bound = new AbortController();
    const timeout = this.#clock.sleep(DISCONNECT_TIMEOUT_MS, bound.signal).catch(() => undefined);
    await Promise.race([session.disconnect(reason), timeout]);
    bound.abort();
    session.drop(reason); // a broker that hangs never answers
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      this.#retry = new AbortController();
      const { failure, lastedMs } = await this.#runSession();
      if (failure) this.#report(failure);
      const delayMs = this.#policy.delayMs({ lastedMs, refused: failure !== undefined && !failure.retryable });
      const signal = AbortSignal.any([this.#closing.signal, this.#retry.signal]);
      await this.#clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  /** @returns what kept it from connecting, and how long it was connected */
  async #runSession(): Promise<{ readonly failure?: AppError; readonly lastedMs: number }> {
    let session: MqttSession | undefined;
    let openedMs: number | undefined;
    const lastedMs = (): number => (openedMs === undefined ? 0 : this.#clock.monotonicMs() - openedMs);
    const abandon = (): void => session?.drop('the client is closing');
    this.#closing.signal.addEventListener('abort', abandon, { once: true });
    try {
      session = await this.#openSession();
      const { sessionPresent } = await session.opened();
      openedMs = this.#clock.monotonicMs();
      this.#session = session;
      this.#troubleCode = undefined;
      this.#closing.signal.removeEventListener('abort', abandon);
      const opened = session;
      await Promise.all([...this.#subscriptions.values()].map((each) => this.#requestSubscription(opened, each)));
      this.#log.info({ sessionPresent }, 'connected to the broker');
      this.#emit('connected', { sessionPresent });
      const reason = await session.ended;
      this.#session = undefined;
      this.#log.info({ reason }, 'disconnected from the broker');
      this.#emit('disconnected', { reason });
      return { lastedMs: lastedMs() };
    } catch (error) {
      return { failure: connectionFailure(error), lastedMs: lastedMs() };
    } finally {
      this.#closing.signal.removeEventListener('abort', abandon);
      this.#session = undefined;
      this.#dispatcher.forgetUnclaimed();
    }
  }

  async #openSession(): Promise<MqttSession> {
    const tls = await this.#certificates.take();
    this.#closing.signal.throwIfAborted();
    const will = typeof this.#will === 'function' ? this.#will() : this.#will;
    // As soon as it has a certificate the client library speaks TLS, on a plain line too.
    const isSecured = /^(mqtts|wss):/.test(this.#sessionOptions.url);
    const options = { ...this.#sessionOptions, ...(tls && isSecured && { tls }), ...(will && { will }) };
    return new MqttSession(options, (incoming) => this.#dispatcher.accept(incoming));
  }

  /** A renewed certificate is used at once: by a new connection in the place of the one there is, or of the wait. */
  async #watchCertificates(): Promise<void> {
    while (this.#certificates.mayChange) {
      try {
        await this.#clock.sleep(CERTIFICATES_EVERY_MS, this.#closing.signal);
      } catch {
        return;
      }
      if (!(await this.#certificates.haveChanged())) continue;
      this.#log.info({}, 'the certificates have changed: connecting with the new ones');
      this.#policy.reset();
      this.#retry.abort();
      // Without a DISCONNECT: should the broker refuse the new ones, the will has told everybody that we are gone.
      this.#session?.drop('the certificates have changed');
    }
  }

  #report({ code, message, retryable }: AppError): void {
    const fields = { code, reason: message };
    const text = 'no connection to the broker';
    // A broker that is away for weeks is not to fill the log.
    if (code === this.#troubleCode) this.#log.debug(fields, text);
    else if (retryable) this.#log.warn(fields, text);
    else this.#log.error(fields, text);
    this.#troubleCode = code;
  }

  async #requestSubscription(session: MqttSession, subscription: Subscription): Promise<void> {
    const { filter, qos } = subscription;
    const outcome = await session.subscribe(filterOnWire(subscription), qos);
    if (outcome === 'granted') {
      subscription.wasGranted = true;
      subscription.grant();
    } else if (outcome === 'refused') {
      this.#log.error({ code: 'MQTT.SUBSCRIPTION_REFUSED', filter }, 'the broker refused a subscription');
      if (subscription.wasGranted) {
        void this.#renewSession('the broker refused a subscription that it had granted before');
        return;
      }
      this.#subscriptions.delete(filter);
      this.#dispatcher.unregister(filter);
      subscription.refuse(
        new AppError('MQTT.SUBSCRIPTION_REFUSED', 'The broker refused the subscription.', { details: { filter } }),
      );
    }
  }

  /** Ends the session after a delay: a broker delivers unacknowledged messages again only to the next one. */
  async #renewSession(reason: string): Promise<void> {
    const session = this.#session;
    if (this.#renewal.pending || session === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    const wasLongAgo = nowMs - this.#renewal.atMs > 2 * this.#redeliver.capMs;
    const attempt = wasLongAgo ? 0 : this.#renewal.attempt + 1;
    const delayMs = backoffMs(attempt, { ...this.#redeliver, random: this.#random });
    this.#renewal = { attempt, atMs: nowMs + delayMs, pending: true };
    await this.#clock.sleep(delayMs, this.#closing.signal).catch(() => undefined);
    this.#renewal.pending = false;
    // Politely: a will would tell everybody that this client had died.
    if (!this.#closing.signal.aborted) await this.#disconnect(session, reason);
  }

  #emit<Event extends keyof MqttConnectionEvents>(event: Event, detail: MqttConnectionEvents[Event]): void {
    for (const listener of this.#listeners[event]) {
      try {
        listener(detail);
      } catch (error) {
        this.#log.error({ code: 'MQTT.LISTENER_FAILED', error }, `a listener of "${event}" failed`);
      }
    }
  }

  #closedError(): AppError {
    return new AppError('MQTT.CLOSED', 'The connection to the broker was closed.');
  }
}

/**
 * Connects to an MQTT 3.1.1 broker, in the background and for as long as it takes: resolves at once. Register
 * listeners and handlers next; a message that arrives before its handler waits for it.
 *
 * The client id must be stable for the broker to keep the session. Names in `url` are no place for
 * credentials: give `username` and `password`.
 */
export async function connectMqtt(options: ConnectMqttOptions): Promise<MqttConnection> {
  const connection = new ReconnectingConnection(options);
  connection.start();
  return connection;
}
