import type { Channel } from '@sightline/contracts';

/** What a part of the box may do with its connection to the cloud. */
export interface UplinkLink {
  /** Of the network connection that there is, or of the last one. */
  readonly sessionId: string;
  readonly connected: boolean;
  /** Publishes by the contract of the channel. Rejects with `MQTT.OFFLINE` when the connection is gone. */
  publish(channel: Channel, payload: Uint8Array): Promise<void>;
  /** Gives the messages of a channel to a handler, on this connection and all later ones. */
  subscribe<Message>(
    channel: Channel,
    decode: (bytes: Uint8Array) => Message,
    handle: (message: Message) => void,
  ): void;
}

/** A part of the box that has channels of its own. */
export interface UplinkPart {
  /** Called once, before the first connection. */
  attach(link: UplinkLink): void;
  /** The box has said what it is: on each connection. */
  connected(): void;
  disconnected(): void;
  /** The agent stops. */
  stop(): Promise<void>;
}
