import { parseConfiguration } from '@sightline/host';
import { isAppError } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { actionsSchema } from './actions-config.js';

const webhook = { kind: 'webhook', url: 'https://example.org/hook' };

/** Keys that are refused, within the one rule. */
function refused(rule: object): readonly string[] {
  const document = [{ id: 'door', when: { decision: 'any' }, do: webhook, ...rule }];
  try {
    parseConfiguration(actionsSchema, document);
    return [];
  } catch (error) {
    if (!isAppError(error)) throw error;
    return (error.details.keys as readonly string[]).map((key) => key.replace(/^0\./, ''));
  }
}

const when = (condition: object): object => ({ when: { decision: 'any', ...condition } });
const act = (action: object): object => ({ do: action });

describe('the configuration of actions', () => {
  it('is empty by default, and what it has filled in can be read again', () => {
    expect(actionsSchema.parse(undefined)).toEqual([]);
    const schedule = { timeZone: 'Europe/Berlin', from: '22:00', to: '06:00' };
    const rule = { id: 'door', when: { decision: 'unknown', schedule }, do: webhook };
    const [parsed] = actionsSchema.parse([rule]);
    expect(parsed).toMatchObject({
      when: { source: 'cloud', cooldownMs: 0, schedule: { untrustedClock: 'refuse' } },
      do: { method: 'POST', allowPublicPlainText: false },
      ...{ maximumDelayMs: 2000, retry: true },
    });
    expect(actionsSchema.parse([parsed])).toEqual([parsed]);
  });

  it('has every rule once', () => {
    const rule = { id: 'door', when: { decision: 'any' }, do: webhook };
    expect(actionsSchema.safeParse([rule, { ...rule, id: 'bell' }]).success).toBe(true);
    expect(actionsSchema.safeParse([rule, rule]).success).toBe(false);
  });

  it('refuses conditions that cannot be', () => {
    expect(refused(when({ decision: 'unknown', groups: ['banned'] }))).toEqual(['when']);
    expect(refused(when({ people: ['Ada'] }))).toEqual(['when.people.0']);
    const schedule = { timeZone: 'Mars/Base', days: ['someday'], from: '25:00', to: '7:00' };
    expect(refused(when({ schedule })).map((key) => key.replace('when.schedule.', ''))).toEqual([
      ...['timeZone', 'days.0', 'from', 'to'],
    ]);
    expect(refused(when({ schedule: { timeZone: 'UTC', from: '07:00', to: '07:00' } }))).toEqual(['when.schedule']);
  });

  it('has no secrets in it', () => {
    expect(refused(act({ ...webhook, url: 'https://user:pass@example.org/' }))).toEqual(['do']);
    expect(refused(act({ ...webhook, headers: { authorization: 'Bearer abc' } }))).toEqual([
      'do.headers.authorization',
    ]);
    expect(refused(act({ ...webhook, signingSecret: 'abc' }))).toEqual(['do.signingSecret']);
    expect(refused(act({ ...webhook, url: { environment: 'HOOK' }, signingSecret: { file: '/run/secret' } }))).toEqual(
      [],
    );
    const mqtt = { kind: 'mqtt', topic: 'doors', url: 'mqtt://user:pass@broker' };
    expect(refused(act(mqtt))).toEqual(['do']);
  });

  it('lets plain MQTT go to the local network alone', () => {
    const at = (url: string, more = {}): readonly string[] =>
      refused(act({ kind: 'mqtt', topic: 'doors', url, ...more }));
    for (const host of ['127.0.0.1', '192.168.7.2', '[fd00::7]', 'broker', 'broker.local', 'hub.internal']) {
      expect(at(`mqtt://${host}:1883`)).toEqual([]);
    }
    for (const host of ['203.0.113.1', '[2001:db8::1]', 'broker.example.org']) {
      expect(at(`mqtt://${host}`)).toEqual(['do']);
      expect(at(`mqtts://${host}`)).toEqual([]);
      expect(at(`mqtt://${host}`, { allowPublicPlainText: true })).toEqual([]);
    }
  });

  it('knows the placeholders, and topics without wildcards', () => {
    const mqtt = { kind: 'mqtt', url: 'mqtt://broker' };
    expect(refused(act({ ...mqtt, topic: 'doors/{{cameraId}}', payload: '{{personId}} {{ageMs}}' }))).toEqual([]);
    expect(refused(act({ ...mqtt, topic: 'doors/+/open', payload: '{{name}}' }))).toEqual(['do.topic', 'do.payload']);
    const command = { kind: 'command', program: '/usr/bin/relay', arguments: ['--open', '{{name}}'] };
    expect(refused(act(command))).toEqual(['do.arguments.1']);
    expect(refused(act({ ...command, program: 'relay', arguments: [] }))).toEqual(['do.program']);
  });
});
