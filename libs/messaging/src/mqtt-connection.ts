/** What arrived on a topic. */
export interface MqttMessage {
  readonly topic: string;
  /** A view of received bytes, never changed afterwards. */
  readonly payload: Uint8Array;
  /** Whether the broker had kept it and sends it because of a new subscription. */
  readonly retained: boolean;
  /**
   * Whether the broker says that it may have sent this before. Not every broker says so: a message without
   * the mark can be a duplicate too.
   */
  readonly duplicate: boolean;
}

/**
 * Takes a message. Its PUBACK is sent after the promise has resolved, and never when it rejects. It must be
 * idempotent: a message whose PUBACK was lost is delivered again, perhaps while the first call still runs.
 */
export type MqttMessageHandler = (message: MqttMessage) => Promise<void>;

export interface MqttConnectionEvents {
  /** Connected, and every subscription has been granted again. */
  readonly connected: { readonly sessionPresent: boolean };
  readonly disconnected: { readonly reason: string };
}

export interface MqttPublishOptions {
  /** 1 resolves on the broker's PUBACK, 0 once written. Default: 1. */
  readonly qos?: 0 | 1;
  /** Default: false. */
  readonly retain?: boolean;
  /** Stops the wait, not the message, once that has been written. */
  readonly signal?: AbortSignal;
}

export interface MqttSubscribeOptions {
  /** Default: 1. */
  readonly qos?: 0 | 1;
  /**
   * Name of a group that shares the messages out: each goes to one of its subscribers (`$share/{group}/{filter}`, MQTT
   * 5, section 4.8.2; Mosquitto and EMQX do it for 3.1.1 clients too). Retained messages are not sent for it. `close`
   * leaves the group, so that its share goes to the others. Default: every message comes here.
   */
  readonly group?: string;
  /** Stops the wait; the subscription itself stays. */
  readonly signal?: AbortSignal;
}

/** A client of an MQTT 3.1.1 broker that reconnects by itself. */
export interface MqttConnection {
  readonly connected: boolean;

  /** @returns what removes the listener */
  on<Event extends keyof MqttConnectionEvents>(
    event: Event,
    listener: (detail: MqttConnectionEvents[Event]) => void,
  ): () => void;

  /**
   * Publishes once: nothing is kept for a later connection, the caller decides about resending. Waits for a
   * free place when too many messages await their PUBACK.
   *
   * @throws AppError `MQTT.OFFLINE` (retryable) without a connection, or when it is lost before the PUBACK:
   *   the message may have arrived or not; `MQTT.UNKNOWN_TOPIC` when the topic is empty or has a wildcard
   * @throws the signal's reason once it is aborted
   */
  publish(topic: string, payload: Uint8Array, options?: MqttPublishOptions): Promise<void>;

  /**
   * Gives the messages of a topic filter to a handler, on this connection and all later ones. Resolves once
   * the broker has granted it, which may take until the first connection.
   *
   * @throws AppError `MQTT.SUBSCRIPTION_REFUSED` when the broker refuses; `MQTT.ALREADY_SUBSCRIBED` for a
   *   filter that has a handler; `MQTT.CLOSED` when the connection was closed meanwhile
   */
  subscribe(filter: string, handler: MqttMessageHandler, options?: MqttSubscribeOptions): Promise<void>;

  /**
   * Takes no more messages, waits (with a bound) for the handlers and publishes under way, and disconnects so
   * that the will is not sent. What was not acknowledged is delivered again to the next session.
   */
  close(): Promise<void>;
}
