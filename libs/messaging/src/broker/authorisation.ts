import {
  channels,
  parseTopic,
  tenantChannelOf,
  tenantChannels,
  tenantListenerName,
  TOPIC_ROOT,
  type Channel,
  type DeviceAddress,
} from '@sightline/contracts';
import { AppError, isSlug, type TenantId } from '@sightline/kernel';

/** Who a client is, once its password has been checked. */
export type BrokerIdentity =
  | ({ readonly kind: 'device' } & DeviceAddress)
  /** A part of the platform itself: the cloud API, the model registry. */
  | { readonly kind: 'service'; readonly name: string }
  /** A program of a tenant's own, which hears what concerns the tenant and says nothing. */
  | { readonly kind: 'listener'; readonly tenantId: TenantId };

export interface PublishRequest {
  readonly topic: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly payloadBytes: number;
}

/** Username and client id of a device: `{tenant}/{device}`. */
export function deviceUsername({ tenantId, deviceId }: DeviceAddress): string {
  return `${tenantId}/${deviceId}`;
}

/** The user name that an identity has. */
export function usernameOf(identity: BrokerIdentity): string {
  if (identity.kind === 'service') return identity.name;
  return identity.kind === 'device' ? deviceUsername(identity) : tenantListenerName(identity.tenantId);
}

/**
 * A client id is the key of a session, so a device must not be able to take over another's: a device's is its
 * username, that of a service or a listener is its user name, optionally followed by `:` and anything.
 */
export function mayUseClientId(identity: BrokerIdentity, clientId: string): boolean {
  const username = usernameOf(identity);
  return clientId === username || (identity.kind !== 'device' && clientId.startsWith(`${username}:`));
}

function ownPrefix(address: DeviceAddress): string {
  return `${TOPIC_ROOT}/${address.tenantId}/${address.deviceId}/`;
}

/**
 * Checks a publish, or a will, against the contract of `channels`.
 *
 * @throws AppError `MQTT.FOREIGN_PREFIX`, `MQTT.UNKNOWN_TOPIC`, `MQTT.WRONG_PUBLISHER`,
 *   `MQTT.MESSAGE_TOO_LARGE` or `MQTT.WRONG_FLAGS`
 */
export function authorisePublish(identity: BrokerIdentity, request: PublishRequest): void {
  const { topic, qos, retain, payloadBytes } = request;
  if (identity.kind === 'device' && !topic.startsWith(ownPrefix(identity))) {
    throw new AppError('MQTT.FOREIGN_PREFIX', 'A device published outside its own topics.');
  }
  const tenantChannel = tenantChannelOf(topic);
  const channel = tenantChannel ?? parseTopic(topic).channel;
  const rule =
    tenantChannel === undefined
      ? channels[channel as Channel]
      : { ...tenantChannels[tenantChannel], publisher: 'service' as const };
  // Who keeps the fleet's books takes away what a device that is gone has left behind.
  const clears = identity.kind === 'service' && rule.retain && retain && payloadBytes === 0;
  if (rule.publisher !== identity.kind && !clears) {
    throw new AppError('MQTT.WRONG_PUBLISHER', `Only a ${rule.publisher} publishes on this channel.`, {
      details: { channel },
    });
  }
  if (payloadBytes > rule.maximumBytes) {
    throw new AppError('MQTT.MESSAGE_TOO_LARGE', 'The message is larger than its channel allows.', {
      details: { channel, bytes: payloadBytes, maximumBytes: rule.maximumBytes },
    });
  }
  // A kept sighting would be a template that rests in the broker.
  if (qos > 1 || (retain && !rule.retain)) {
    throw new AppError('MQTT.WRONG_FLAGS', 'The channel allows neither QoS 2 nor, unless it says so, retaining.', {
      details: { channel, qos, retain },
    });
  }
}

/**
 * Checks a subscription.
 *
 * @throws AppError `MQTT.SHARED_SUBSCRIPTION`, `MQTT.FOREIGN_PREFIX`, `MQTT.UNKNOWN_TOPIC` or `MQTT.WRONG_FLAGS`
 */
export function authoriseSubscribe(identity: BrokerIdentity, filter: string, qos: number): void {
  if (filter.startsWith('$share/')) {
    // aedes grants them and then delivers nothing.
    throw new AppError('MQTT.SHARED_SUBSCRIPTION', 'The embedded broker has no shared subscriptions.');
  }
  if (qos > 1) throw new AppError('MQTT.WRONG_FLAGS', 'Subscriptions have QoS 0 or 1.', { details: { qos } });
  if (identity.kind === 'device') authoriseDevice(identity, filter);
  else if (identity.kind === 'listener') authoriseListener(identity, filter);
  else authoriseService(filter);
}

function authoriseDevice(identity: BrokerIdentity & { readonly kind: 'device' }, filter: string): void {
  const prefix = ownPrefix(identity);
  if (!filter.startsWith(prefix)) {
    throw new AppError('MQTT.FOREIGN_PREFIX', 'A device subscribed outside its own topics.');
  }
  // Of what a wildcard matches it is sent what is for it: see `mayReceive`.
  if (/[+#]/.test(filter) || mayReceive(identity, filter)) return;
  throw new AppError('MQTT.UNKNOWN_TOPIC', 'A device subscribes to the channels that services publish on.');
}

function authoriseListener(identity: BrokerIdentity, filter: string): void {
  if (mayReceive(identity, filter) || filter === `${TOPIC_ROOT}/${usernameOf(identity)}/#`) return;
  throw new AppError('MQTT.FOREIGN_PREFIX', "A listener subscribes to its tenant's topics.");
}

function authoriseService(filter: string): void {
  const [root, version, tenant = '', device = '', ...rest] = filter.split('/');
  const channel = rest.join('/');
  const isKnown =
    /[+#]/.test(channel) || (Object.hasOwn(channels, channel) && channels[channel as Channel].publisher === 'device');
  const isAddress = (level: string): boolean => level === '+' || isSlug(level);
  if (`${root}/${version}` !== TOPIC_ROOT || !isAddress(tenant) || !isAddress(device) || !isKnown) {
    throw new AppError('MQTT.UNKNOWN_TOPIC', 'A service subscribes to the channels that devices publish on.');
  }
}

/** Whether a message on this topic may be sent to this client, whatever subscription it comes from. */
export function mayReceive(identity: BrokerIdentity, topic: string): boolean {
  if (identity.kind === 'service') return true;
  if (identity.kind === 'listener') {
    return topic.startsWith(`${TOPIC_ROOT}/${usernameOf(identity)}/`) && tenantChannelOf(topic) !== undefined;
  }
  const prefix = ownPrefix(identity);
  const channel = topic.slice(prefix.length);
  return (
    topic.startsWith(prefix) && Object.hasOwn(channels, channel) && channels[channel as Channel].publisher === 'service'
  );
}
