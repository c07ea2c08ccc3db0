import { AppError, isSlug, type DeviceId, type TenantId } from '@sightline/kernel';

/** First two levels of every topic. The version changes only when a contract breaks. */
export const TOPIC_ROOT = 'sightline/v1';

/** Version of the messages' meaning, carried by each of them. */
export const SCHEMA_VERSION = 1;

interface TopicRule {
  /** Who may publish: the device itself, or a service in the cloud. */
  readonly publisher: 'device' | 'service';
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** Largest payload accepted, bytes. */
  readonly maximumBytes: number;
}

const KIB = 1024;

/** Every channel below `sightline/v1/{tenant}/{device}/`. */
export const channels = {
  status: { publisher: 'device', qos: 1, retain: true, maximumBytes: 4 * KIB },
  birth: { publisher: 'device', qos: 1, retain: false, maximumBytes: 64 * KIB },
  'state/reported': { publisher: 'device', qos: 1, retain: true, maximumBytes: 16 * KIB },
  sighting: { publisher: 'device', qos: 1, retain: false, maximumBytes: 1024 * KIB },
  'sighting/ack': { publisher: 'service', qos: 1, retain: false, maximumBytes: 4 * KIB },
  identification: { publisher: 'service', qos: 1, retain: false, maximumBytes: 4 * KIB },
  gallery: { publisher: 'service', qos: 1, retain: false, maximumBytes: 512 * KIB },
  'gallery/receipt': { publisher: 'device', qos: 1, retain: false, maximumBytes: 256 * KIB },
  'health/window': { publisher: 'device', qos: 1, retain: false, maximumBytes: 256 * KIB },
  'health/window/ack': { publisher: 'service', qos: 1, retain: false, maximumBytes: 4 * KIB },
  health: { publisher: 'device', qos: 0, retain: false, maximumBytes: 64 * KIB },
  command: { publisher: 'service', qos: 1, retain: false, maximumBytes: 16 * KIB },
  'command/ack': { publisher: 'device', qos: 1, retain: false, maximumBytes: 64 * KIB },
  'desired/release': { publisher: 'service', qos: 1, retain: true, maximumBytes: 16 * KIB },
  'desired/config': { publisher: 'service', qos: 1, retain: true, maximumBytes: 64 * KIB },
} as const satisfies Record<string, TopicRule>;

export type Channel = keyof typeof channels;

export interface DeviceAddress {
  readonly tenantId: TenantId;
  readonly deviceId: DeviceId;
}

/** The topic of one channel of one device. */
export function topicOf({ tenantId, deviceId }: DeviceAddress, channel: Channel): string {
  return `${TOPIC_ROOT}/${tenantId}/${deviceId}/${channel}`;
}

/** The filter that matches one channel of every device of every tenant. */
export function fleetFilter(channel: Channel): string {
  return `${TOPIC_ROOT}/+/+/${channel}`;
}

/**
 * Takes a topic apart.
 *
 * @throws AppError `MQTT.UNKNOWN_TOPIC` when it is not a channel of a device
 */
export function parseTopic(topic: string): DeviceAddress & { readonly channel: Channel } {
  const [root, version, tenantId = '', deviceId = '', ...rest] = topic.split('/');
  const channel = rest.join('/');
  if (
    `${root}/${version}` !== TOPIC_ROOT ||
    !isSlug(tenantId) ||
    !isSlug(deviceId) ||
    !Object.hasOwn(channels, channel)
  ) {
    throw new AppError('MQTT.UNKNOWN_TOPIC', 'The topic is not a channel of a Sightline device.');
  }
  return { tenantId: tenantId as TenantId, deviceId: deviceId as DeviceId, channel: channel as Channel };
}
