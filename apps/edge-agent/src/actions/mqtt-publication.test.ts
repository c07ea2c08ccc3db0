import { silentLogger, systemClock } from '@sightline/kernel';
import { connectMqtt, startEmbeddedBroker, type EmbeddedBroker, type MqttConnection } from '@sightline/messaging';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { decision, origin } from '../testing/action-stage.js';
import { actionEvent } from './action-event.js';
import { MqttPublication, type MqttPublicationOptions } from './mqtt-publication.js';
import type { Attempt } from './performer.js';

const event = actionEvent('door', origin, decision(), { wallMs: 1_800_000_000_000, isTrusted: true, ageMs: 80 });
const attempt: Attempt = { event: () => event, startWithinMs: 1000, signal: new AbortController().signal };
const topic = 'sightline/v1/acme/door-1/command';
let broker: EmbeddedBroker;
let listener: MqttConnection;
let publication: MqttPublication | undefined;
const heard: { readonly text: string; readonly retained: boolean }[] = [];

beforeEach(async () => {
  heard.length = 0;
  // The only broker of these tests: whoever may write a channel of the contract.
  broker = await startEmbeddedBroker({
    host: '127.0.0.1',
    port: 0,
    authenticate: async (username, password) =>
      password === 'pass'
        ? username === 'listener'
          ? { kind: 'device', tenantId: origin.tenantId as never, deviceId: origin.deviceId as never }
          : { kind: 'service', name: username }
        : undefined,
  });
  listener = await connectMqtt({ url: broker.url, clientId: 'acme/door-1', username: 'listener', password: 'pass' });
  await listener.subscribe(topic, async ({ payload, retained }) => {
    heard.push({ text: Buffer.from(payload).toString(), retained });
  });
});

afterEach(async () => {
  await publication?.close();
  await listener.close();
  await broker.close();
});

async function publish(options: Partial<MqttPublicationOptions> = {}): Promise<MqttPublication> {
  publication = new MqttPublication({
    ...{ url: broker.url, clientId: 'cloud', username: 'cloud', password: 'pass', certificateAuthority: undefined },
    topic: 'sightline/v1/{{tenantId}}/{{deviceId}}/command',
    ...{ payload: undefined, timeoutMs: 500, clock: systemClock, log: silentLogger },
    ...options,
  });
  return publication;
}

/** Tries until there is a connection, as a rule does. */
async function performed(each: MqttPublication): Promise<void> {
  await expect.poll(() => each.perform(attempt).then(() => 'done'), { timeout: 3000 }).toBe('done');
}

describe('a publication at a local broker', () => {
  it('tells the event, or what the rule says, and is not retained', async () => {
    await performed(await publish());
    await expect.poll(() => heard).toEqual([{ text: JSON.stringify(event), retained: false }]);
    await publication?.close();
    await performed(await publish({ payload: '{"open":"{{cameraId}}","score":{{score}}}' }));
    await expect.poll(() => heard[1]?.text).toBe('{"open":"door","score":0.618}');
  });

  it('waits for no broker: what it cannot hand over now was certainly not received', async () => {
    const { url } = broker;
    await broker.close();
    const away = await publish({ url });
    await expect(away.perform(attempt)).rejects.toMatchObject({ code: 'ACTION.UNREACHABLE', retryable: true });
  });
});
