import { channels, tenantTopicOf, topicOf, type Channel } from '@sightline/contracts';
import { isAppError, type DeviceId, type TenantId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import {
  authorisePublish,
  authoriseSubscribe,
  deviceUsername,
  mayReceive,
  mayUseClientId,
  type BrokerIdentity,
} from './authorisation.js';

const address = { tenantId: 'acme' as TenantId, deviceId: 'cam-1' as DeviceId };
const device: BrokerIdentity = { kind: 'device', ...address };
const service: BrokerIdentity = { kind: 'service', name: 'cloud-api' };
const listener: BrokerIdentity = { kind: 'listener', tenantId: address.tenantId };

function codeOf(check: () => void): string {
  try {
    check();
    return 'allowed';
  } catch (error) {
    return isAppError(error) ? error.code : 'not an AppError';
  }
}

function publishCode(
  identity: BrokerIdentity,
  topic: string,
  change: { qos?: number; retain?: boolean; payloadBytes?: number } = {},
): string {
  return codeOf(() => authorisePublish(identity, { topic, qos: 1, retain: false, payloadBytes: 10, ...change }));
}

const allChannels = Object.keys(channels) as Channel[];

describe('authorisePublish', () => {
  it.each(allChannels)('lets only the publisher of the contract publish on %s', (channel) => {
    const rule = channels[channel];
    const topic = topicOf(address, channel);
    expect(publishCode(device, topic)).toBe(rule.publisher === 'device' ? 'allowed' : 'MQTT.WRONG_PUBLISHER');
    expect(publishCode(service, topic)).toBe(rule.publisher === 'service' ? 'allowed' : 'MQTT.WRONG_PUBLISHER');
  });

  it.each([
    'sightline/v1/acme/cam-2/sighting',
    'sightline/v1/other/cam-1/sighting',
    'sightline/v2/acme/cam-1/sighting',
    'sightline/v1/acme/cam-10/sighting',
    '$SYS/broker/load',
    '/sightline/v1/acme/cam-1/sighting',
  ])('keeps a device out of %s', (topic) => {
    expect(publishCode(device, topic)).toBe('MQTT.FOREIGN_PREFIX');
  });

  it('knows the channels of the contract alone', () => {
    expect(publishCode(device, 'sightline/v1/acme/cam-1/sighting/extra')).toBe('MQTT.UNKNOWN_TOPIC');
    expect(publishCode(device, 'sightline/v1/acme/cam-1/toString')).toBe('MQTT.UNKNOWN_TOPIC');
    expect(publishCode(service, 'elsewhere')).toBe('MQTT.UNKNOWN_TOPIC');
  });

  it('holds every channel to its largest payload, to the byte', () => {
    const topic = topicOf(address, 'status');
    const { maximumBytes } = channels.status;
    expect(publishCode(device, topic, { payloadBytes: maximumBytes })).toBe('allowed');
    expect(publishCode(device, topic, { payloadBytes: maximumBytes + 1 })).toBe('MQTT.MESSAGE_TOO_LARGE');
  });

  it.each(allChannels)(
    'lets a service clear what is retained on %s, and write there only by the contract',
    (channel) => {
      const { retain, publisher } = channels[channel];
      const clears = publishCode(service, topicOf(address, channel), { retain: true, payloadBytes: 0 });
      expect(clears === 'allowed').toBe(retain);
      const code = publisher === 'service' ? 'allowed' : 'MQTT.WRONG_PUBLISHER';
      expect(publishCode(service, topicOf(address, channel), { payloadBytes: 0 })).toBe(code);
      expect(publishCode(service, topicOf(address, channel), { retain, payloadBytes: 1 })).toBe(code);
    },
  );

  it('refuses QoS 2, and a retained message where the contract has none', () => {
    expect(publishCode(device, topicOf(address, 'status'), { retain: true })).toBe('allowed');
    expect(publishCode(device, topicOf(address, 'sighting'), { retain: true })).toBe('MQTT.WRONG_FLAGS');
    expect(publishCode(device, topicOf(address, 'sighting'), { qos: 2 })).toBe('MQTT.WRONG_FLAGS');
  });
});

describe('authoriseSubscribe', () => {
  const subscribeCode = (identity: BrokerIdentity, filter: string, qos = 1): string =>
    codeOf(() => authoriseSubscribe(identity, filter, qos));

  it('lets a device read below its own prefix', () => {
    for (const filter of ['sighting/ack', 'desired/+', '#']) {
      expect(subscribeCode(device, `sightline/v1/acme/cam-1/${filter}`)).toBe('allowed');
    }
  });

  it.each([
    '#',
    '+/v1/acme/cam-1/desired/config',
    'sightline/v1/acme/+/desired/config',
    'sightline/v1/+/cam-1/#',
    'sightline/v1/acme/#',
    'sightline/v1/acme/cam-1#',
  ])('lets no wildcard lead a device out of its prefix: %s', (filter) =>
    expect(subscribeCode(device, filter)).toBe('MQTT.FOREIGN_PREFIX'),
  );

  it.each(allChannels)('lets a device ask by name only for what services publish: %s', (channel) => {
    const allowed = channels[channel].publisher === 'service';
    expect(subscribeCode(device, topicOf(address, channel))).toBe(allowed ? 'allowed' : 'MQTT.UNKNOWN_TOPIC');
    expect(mayReceive(device, topicOf(address, channel))).toBe(allowed);
  });

  it('lets a service read what devices publish', () => {
    expect(subscribeCode(service, 'sightline/v1/+/+/sighting')).toBe('allowed');
    expect(subscribeCode(service, 'sightline/v1/acme/+/state/reported')).toBe('allowed');
    expect(subscribeCode(service, 'sightline/v1/+/+/#')).toBe('allowed');
    expect(subscribeCode(service, 'sightline/v1/+/+/desired/config')).toBe('MQTT.UNKNOWN_TOPIC');
    expect(subscribeCode(service, '$SYS/#')).toBe('MQTT.UNKNOWN_TOPIC');
    expect(subscribeCode(service, '#')).toBe('MQTT.UNKNOWN_TOPIC');
  });

  it('refuses shared subscriptions and QoS 2', () => {
    expect(subscribeCode(service, '$share/ingest/sightline/v1/+/+/sighting')).toBe('MQTT.SHARED_SUBSCRIPTION');
    expect(subscribeCode(service, 'sightline/v1/+/+/sighting', 2)).toBe('MQTT.WRONG_FLAGS');
  });
});

describe('the identity of a client', () => {
  it('ties a device to one client id and a service to its name', () => {
    expect(deviceUsername(address)).toBe('acme/cam-1');
    expect(mayUseClientId(device, 'acme/cam-1')).toBe(true);
    expect(mayUseClientId(device, 'cloud-api')).toBe(false);
    expect(mayUseClientId(service, 'cloud-api')).toBe(true);
    expect(mayUseClientId(service, 'cloud-api:2')).toBe(true);
    expect(mayUseClientId(service, 'acme/cam-1')).toBe(false);
  });

  it('decides what may be sent to a client', () => {
    expect(mayReceive(device, 'sightline/v1/acme/cam-1/identification')).toBe(true);
    expect(mayReceive(device, 'sightline/v1/acme/cam-2/identification')).toBe(false);
    expect(mayReceive(service, 'sightline/v1/acme/cam-2/sighting')).toBe(true);
  });
});

describe("a tenant's own topics", () => {
  const alerts = tenantTopicOf(address.tenantId, 'alert');

  it('are written by services, without being kept', () => {
    expect([service, device, listener].map((identity) => publishCode(identity, alerts))).toEqual([
      ...['allowed', 'MQTT.FOREIGN_PREFIX', 'MQTT.WRONG_PUBLISHER'],
    ]);
    expect(publishCode(service, alerts, { retain: true })).toBe('MQTT.WRONG_FLAGS');
    expect(publishCode(service, alerts, { payloadBytes: 20_000 })).toBe('MQTT.MESSAGE_TOO_LARGE');
    expect(publishCode(service, 'sightline/v1/acme/_tenant/other')).toBe('MQTT.UNKNOWN_TOPIC');
  });

  it('are heard by its listeners alone, who hear nothing else and say nothing', () => {
    const subscribed = (filter: string, identity: BrokerIdentity = listener) =>
      codeOf(() => authoriseSubscribe(identity, filter, 1));
    expect([alerts, 'sightline/v1/acme/_tenant/#'].map((filter) => subscribed(filter))).toEqual(['allowed', 'allowed']);
    const foreign = ['sightline/v1/other/_tenant/alert', 'sightline/v1/+/_tenant/alert', 'sightline/v1/acme/#', '#'];
    for (const filter of [...foreign, topicOf(address, 'sighting')]) {
      expect([filter, subscribed(filter)]).toEqual([filter, 'MQTT.FOREIGN_PREFIX']);
    }
    expect(subscribed(alerts, device)).toBe('MQTT.FOREIGN_PREFIX');
    const heard = [alerts, 'sightline/v1/other/_tenant/alert', topicOf(address, 'identification')];
    expect(heard.map((topic) => mayReceive(listener, topic))).toEqual([true, false, false]);
    expect(publishCode(listener, topicOf(address, 'sighting'))).toBe('MQTT.WRONG_PUBLISHER');
  });

  it('have listeners whose client ids begin with their user name', () => {
    const ids = ['acme/_tenant', 'acme/_tenant:desk', 'acme/cam-1', 'other/_tenant'];
    expect(ids.map((id) => mayUseClientId(listener, id))).toEqual([true, true, false, false]);
  });
});
