import { StoppingError, type Clock, type Logger } from '@sightline/kernel';

import type { MqttMessage, MqttMessageHandler } from './mqtt-connection.js';
import { matchesFilter } from './topic-filter.js';

/** A message with the means to send its PUBACK, which does nothing once its network connection is gone. */
export interface IncomingMessage {
  readonly message: MqttMessage;
  readonly acknowledge: () => void;
}

export interface DispatchLimits {
  /** Messages held without acknowledgement before reading stops. */
  readonly messages: number;
  /** Bytes of their payloads before reading stops. */
  readonly bytes: number;
}

interface MessageDispatcherOptions {
  readonly limits: DispatchLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when a handler has rejected: its message stays unacknowledged. */
  readonly onFailure: () => void;
}

/** How long a message may wait for its handler: a persistent session delivers before the program subscribes. */
const UNCLAIMED_MS = 30_000;

/**
 * Gives messages to the handlers of their filters and acknowledges them afterwards.
 *
 * Invariants: a message is acknowledged only after every handler whose filter matches has resolved; the count
 * and the bytes of messages under way stay within the limits, give or take one message; after `stop` no
 * handler is called.
 */
export class MessageDispatcher {
  readonly #options: MessageDispatcherOptions;
  readonly #handlers = new Map<string, MqttMessageHandler>();
  /** With the monotonic time after which each is dropped, oldest first. */
  readonly #unclaimed = new Map<IncomingMessage, number>();
  readonly #roomWaiters: (() => void)[] = [];
  readonly #idleWaiters: (() => void)[] = [];
  #heldMessages = 0;
  #heldBytes = 0;
  #running = 0;
  #stopped = false;
  #sweeping = false;
  #forgetting = new AbortController();

  constructor(options: MessageDispatcherOptions) {
    this.#options = options;
  }

  register(filter: string, handler: MqttMessageHandler): void {
    this.#handlers.set(filter, handler);
    for (const incoming of this.#unclaimed.keys()) {
      if (matchesFilter(filter, incoming.message.topic) && this.#unclaimed.delete(incoming)) this.#dispatch(incoming);
    }
  }

  unregister(filter: string): void {
    this.#handlers.delete(filter);
  }

  /**
   * Takes a message.
   *
   * @returns undefined when the next may follow at once, otherwise a promise of room for it
   */
  accept(incoming: IncomingMessage): Promise<void> | undefined {
    if (this.#stopped) return undefined;
    this.#heldMessages += 1;
    this.#heldBytes += incoming.message.payload.byteLength;
    this.#dispatch(incoming);
    if (this.#hasRoom()) return undefined;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Drops what no handler has claimed yet: its connection is gone, and the broker will deliver it again. */
  forgetUnclaimed(): void {
    for (const incoming of this.#unclaimed.keys()) this.#release(incoming);
    this.#unclaimed.clear();
    this.#forgetting.abort();
    this.#forgetting = new AbortController();
  }

  stop(): void {
    this.#stopped = true;
    this.forgetUnclaimed();
  }

  /** Resolves once no handler runs. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  #dispatch(incoming: IncomingMessage): void {
    const { topic } = incoming.message;
    const handlers = [...this.#handlers]
      .filter(([filter]) => matchesFilter(filter, topic))
      .map(([, handler]) => handler);
    if (handlers.length === 0) this.#holdUnclaimed(incoming);
    else void this.#handle(incoming, handlers);
  }

  async #handle(incoming: IncomingMessage, handlers: readonly MqttMessageHandler[]): Promise<void> {
    const { message, acknowledge } = incoming;
    this.#running += 1;
    try {
      await Promise.all(handlers.map(async (handler) => handler(message)));
      acknowledge();
    } catch (error) {
      this.#logFailure(message, error);
      this.#options.onFailure();
    } finally {
      this.#running -= 1;
      this.#release(incoming);
      if (this.#running === 0) this.#idleWaiters.splice(0).forEach((resolve) => resolve());
    }
  }

  #logFailure({ topic }: MqttMessage, error: unknown): void {
    const { log } = this.#options;
    if (error instanceof StoppingError) log.debug({ topic }, 'a message is given back: the program stops');
    else {
      log.warn(
        { code: 'MQTT.HANDLER_FAILED', topic, error },
        'a message could not be handled and stays unacknowledged',
      );
    }
  }

  #holdUnclaimed(incoming: IncomingMessage): void {
    this.#unclaimed.set(incoming, this.#options.clock.monotonicMs() + UNCLAIMED_MS);
    if (!this.#sweeping) void this.#sweepUnclaimed();
  }

  async #sweepUnclaimed(): Promise<void> {
    const { clock } = this.#options;
    this.#sweeping = true;
    while (this.#unclaimed.size > 0) {
      const [deadlineMs = 0] = this.#unclaimed.values();
      await clock.sleep(deadlineMs - clock.monotonicMs(), this.#forgetting.signal).catch(() => undefined);
      for (const [incoming, dropAtMs] of this.#unclaimed) {
        if (dropAtMs <= clock.monotonicMs()) this.#dropUnclaimed(incoming);
      }
    }
    this.#sweeping = false;
  }

  /** It is left over from a subscription of an earlier version: keeping it would fill the window for good. */
  #dropUnclaimed(incoming: IncomingMessage): void {
    this.#options.log.warn(
      { code: 'MQTT.UNHANDLED_MESSAGE', topic: incoming.message.topic },
      'a message without a handler was acknowledged and dropped',
    );
    this.#unclaimed.delete(incoming);
    incoming.acknowledge();
    this.#release(incoming);
  }

  #hasRoom(): boolean {
    return this.#heldMessages < this.#options.limits.messages && this.#heldBytes < this.#options.limits.bytes;
  }

  #release(incoming: IncomingMessage): void {
    this.#heldMessages -= 1;
    this.#heldBytes -= incoming.message.payload.byteLength;
    if (this.#hasRoom()) this.#roomWaiters.splice(0).forEach((resolve) => resolve());
  }
}
