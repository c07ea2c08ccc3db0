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
  'release/state': { publisher: 'device', qos: 1, retain: false, maximumBytes: 4 * KIB },
  'desired/config': { publisher: 'service', qos: 1, retain: true, maximumBytes: 64 * KIB },
} as const satisfies Record<string, TopicRule>;

export type Channel = keyof typeof channels;

/** Below it is what concerns a tenant as a whole. No device has it as its id, which begins with a letter or digit. */
const TENANT_BRANCH = '_tenant';

/** Every channel below `sightline/v1/{tenant}/_tenant/`: services publish there, and people's own programs listen. */
export const tenantChannels = {
  alert: { qos: 1, retain: false, maximumBytes: 16 * KIB },
} as const satisfies Record<string, Omit<TopicRule, 'publisher'>>;

export type TenantChannel = keyof typeof tenantChannels;

export interface DeviceAddress {
  readonly tenantId: TenantId;
  readonly deviceId: DeviceId;
}

/** The topic of one channel of one device. */
export function topicOf({ tenantId, deviceId }: DeviceAddress, channel: Channel): string {
  return `${TOPIC_ROOT}/${tenantId}/${deviceId}/${channel}`;
}

/** The topic of one channel of a tenant. */
export function tenantTopicOf(tenantId: TenantId, channel: TenantChannel): string {
  return `${TOPIC_ROOT}/${tenantId}/${TENANT_BRANCH}/${channel}`;
}

/** The filter that matches one channel of every tenant. */
export function tenantFilter(channel: TenantChannel): string {
  return `${TOPIC_ROOT}/+/${TENANT_BRANCH}/${channel}`;
}

/** The user name of somebody who listens to what concerns a tenant; below it lie the tenant's topics. */
export function tenantListenerName(tenantId: TenantId): string {
  return `${tenantId}/${TENANT_BRANCH}`;
}

/** Whose listener has this user name; undefined: it is none's. */
export function tenantOfListener(username: string): TenantId | undefined {
  const [tenantId = '', branch, ...rest] = username.split('/');
  return isSlug(tenantId) && branch === TENANT_BRANCH && rest.length === 0 ? (tenantId as TenantId) : undefined;
}

/** The channel of a topic that is a tenant's; undefined: it is none. */
export function tenantChannelOf(topic: string): TenantChannel | undefined {
  const [root, version, tenantId = '', branch, ...rest] = topic.split('/');
  const channel = rest.join('/');
  const isTenants = `${root}/${version}` === TOPIC_ROOT && isSlug(tenantId) && branch === TENANT_BRANCH;
  return isTenants && Object.hasOwn(tenantChannels, channel) ? (channel as TenantChannel) : undefined;
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
