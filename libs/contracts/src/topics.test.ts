import { isAppError, type DeviceId, type TenantId } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { channels, fleetFilter, parseTopic, topicOf, type Channel } from './topics.js';

const slug = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/);
const channel = fc.constantFrom(...(Object.keys(channels) as Channel[]));

function parsed(topic: string): unknown {
  try {
    return parseTopic(topic);
  } catch (error) {
    return isAppError(error) ? error.code : error;
  }
}

describe('topics', () => {
  it('are taken apart into what they were made of', () => {
    fc.assert(
      fc.property(slug, slug, channel, (tenant, device, name) => {
        const address = { tenantId: tenant as TenantId, deviceId: device as DeviceId };
        expect(parseTopic(topicOf(address, name))).toEqual({ ...address, channel: name });
      }),
    );
  });

  it.each([
    '',
    '/',
    'sightline',
    'sightline/v1/acme/box',
    'sightline/v1/acme/box/',
    'sightline/v1/acme/box/sightings',
    'sightline/v1/acme/box/sighting/',
    'sightline/v1/acme/box/sighting/ack/x',
    'sightline/v1/acme/box/toString',
    'sightline/v1//box/sighting',
    'sightline/v1/acme//sighting',
    'sightline/v1/+/box/sighting',
    'sightline/v1/acme/#',
    'sightline/v1/Acme/box/sighting',
    'sightline/v1/acme/../sighting',
    'sightline/v2/acme/box/sighting',
    '/sightline/v1/acme/box/sighting',
    '$share/g/sightline/v1/acme/box/sighting',
    `sightline/v1/${'a'.repeat(65)}/box/sighting`,
  ])('refuse %j', (topic) => expect(parsed(topic)).toBe('MQTT.UNKNOWN_TOPIC'));

  it('survive any text with an answer or the one error', () => {
    fc.assert(
      fc.property(fc.string(), (tail) => {
        const result = parsed(`sightline/v1/${tail}`);
        expect(result === 'MQTT.UNKNOWN_TOPIC' || typeof result === 'object').toBe(true);
      }),
    );
  });

  it('match their channel’s filter for the whole fleet, and no other channel’s', () => {
    const address = { tenantId: 'acme' as TenantId, deviceId: 'box-1' as DeviceId };
    const names = Object.keys(channels) as Channel[];
    for (const name of names) {
      const pattern = new RegExp(`^${fleetFilter(name).replaceAll('+', '[^/]+')}$`);
      expect(names.filter((other) => pattern.test(topicOf(address, other)))).toEqual([name]);
    }
  });
});

describe('channels', () => {
  it('retain only what a late subscriber must find, and never a template', () => {
    const retained = Object.entries(channels).filter(([, { retain }]) => retain);
    expect(retained.map(([name]) => name)).toEqual(['status', 'state/reported', 'desired/release', 'desired/config']);
  });

  it('bound every payload', () => {
    for (const { maximumBytes } of Object.values(channels)) {
      expect(maximumBytes).toBeGreaterThan(0);
      expect(maximumBytes).toBeLessThanOrEqual(1024 * 1024);
    }
  });
});
