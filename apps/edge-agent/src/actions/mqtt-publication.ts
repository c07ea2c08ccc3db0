import { AppError, isAppError, type Clock, type Logger } from '@sightline/kernel';
import { connectMqtt, type MqttConnection } from '@sightline/messaging';

import { fillPlaceholders } from './action-event.js';
import { notReceived, type Attempt, type Performer } from './performer.js';

/** A publication with its secrets. */
export interface MqttPublicationOptions {
  readonly url: string;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** PEM. */
  readonly certificateAuthority: string | undefined;
  /** May have placeholders. */
  readonly topic: string;
  /** May have placeholders; the event as JSON when undefined. */
  readonly payload: string | undefined;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A local broker that comes back is found soon. */
const RECONNECT = { baseMs: 100, capMs: 3000 };

/**
 * Publishes events at a local broker, with QoS 0 and never retained: a broker keeps QoS 1 for a subscriber who is
 * away and delivers it hours later, and no door is to open then.
 */
export class MqttPublication implements Performer {
  readonly #options: MqttPublicationOptions;
  readonly #connection: Promise<MqttConnection>;

  /** Begins to connect, in the background and for as long as it takes. */
  constructor(options: MqttPublicationOptions) {
    this.#options = options;
    const { url, clientId, username, password, certificateAuthority: ca, clock, log } = options;
    this.#connection = connectMqtt({
      ...{ url, clientId, clean: true, keepaliveSeconds: 10, reconnect: RECONNECT, clock, log },
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(ca !== undefined && { tls: { ca } }),
      closeTimeoutMs: 500,
    });
  }

  /**
   * @throws AppError `ACTION.UNREACHABLE` (nothing was sent), `ACTION.INTERRUPTED_TRANSFER`, `ACTION.TIMED_OUT` (it
   *   may have been sent), `ACTION.ABORTED`
   */
  async perform({ event, signal }: Attempt): Promise<void> {
    const { topic, payload, timeoutMs, clock } = this.#options;
    const connection = await this.#connection;
    if (!connection.connected) throw notReceived('ACTION.UNREACHABLE', 'There is no connection to the local broker.');
    const told = event();
    const text = payload === undefined ? JSON.stringify(told) : fillPlaceholders(payload, told);
    const over = new AbortController();
    const bounds = AbortSignal.any([signal, over.signal]);
    void clock.sleep(timeoutMs, bounds).then(
      () => over.abort(new AppError('ACTION.TIMED_OUT', 'The message could not be written in time.')),
      () => undefined,
    );
    try {
      await connection.publish(fillPlaceholders(topic, told), Buffer.from(text), { qos: 0, signal: bounds });
    } catch (error) {
      if (isAppError(error) && error.code.startsWith('ACTION.')) throw error;
      throw new AppError('ACTION.INTERRUPTED_TRANSFER', 'The connection to the local broker was lost.');
    } finally {
      over.abort();
    }
  }

  async close(): Promise<void> {
    await (await this.#connection).close();
  }
}
