import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';

import { channels } from '@sightline/contracts';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { ConnectMqttOptions } from '../connect-mqtt.js';
import type { MqttConnection, MqttMessage } from '../mqtt-connection.js';
import {
  connectTestClient,
  nextEvent,
  PASSWORD,
  recordingLogger,
  startTestBroker,
  untilConnected,
} from '../test-support.js';
import { startEmbeddedBroker, type EmbeddedBroker } from './embedded-broker.js';

const FILTER = 'sightline/v1/+/+/sighting';
const TOPIC = 'sightline/v1/acme/cam-1/sighting';

let log = recordingLogger();
let broker: EmbeddedBroker;
let opened: MqttConnection[] = [];

async function open(username: string, options: Partial<ConnectMqttOptions> = {}): Promise<MqttConnection> {
  const connection = await connectTestClient(broker.url, username, options);
  opened.push(connection);
  await untilConnected(connection);
  return connection;
}

function text(value: string): number[] {
  return [value.length >> 8, value.length & 0xff, ...Buffer.from(value)];
}

/** A packet of MQTT 3.1.1 whose remaining length fits in one or two bytes. */
function packet(header: number, body: readonly number[]): Uint8Array {
  const length = body.length < 128 ? [body.length] : [(body.length % 128) | 0x80, body.length >> 7];
  return Uint8Array.from([header, ...length, ...body]);
}

/** CONNECT with username and password, a persistent session and a keep-alive of 60 s (section 3.1). */
function connectPacket(username: string, clientId = username): Uint8Array {
  return packet(0x10, [...text('MQTT'), 4, 0xc0, 0, 60, ...text(clientId), ...text(username), ...text(PASSWORD)]);
}

async function rawClient(): Promise<Socket> {
  const socket = connectTcp(broker.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

async function untilClosed(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.closed) await once(socket, 'close');
}

/** A device's message still reaches a service: the broker lives. */
async function expectDelivery(): Promise<void> {
  const received: MqttMessage[] = [];
  const service = await open('model-registry');
  await service.subscribe('sightline/v1/+/+/birth', async (message) => void received.push(message));
  const device = await open('acme/cam-9');
  await device.publish('sightline/v1/acme/cam-9/birth', Uint8Array.of(1));
  await vi.waitFor(() => expect(received).toHaveLength(1));
}

beforeEach(async () => {
  log = recordingLogger();
  broker = await startTestBroker(log);
});

afterEach(async () => {
  await Promise.all(opened.map((connection) => connection.close()));
  opened = [];
  await broker.close();
});

describe('the embedded broker', () => {
  it.each([
    ['a foreign prefix', 'sightline/v1/acme/cam-2/sighting', {}, 10, 'MQTT.FOREIGN_PREFIX'],
    ['an unknown channel', 'sightline/v1/acme/cam-1/gossip', {}, 10, 'MQTT.UNKNOWN_TOPIC'],
    ["a service's channel", 'sightline/v1/acme/cam-1/desired/release', {}, 10, 'MQTT.WRONG_PUBLISHER'],
    [
      'too large a payload',
      'sightline/v1/acme/cam-1/status',
      {},
      channels.status.maximumBytes + 1,
      'MQTT.MESSAGE_TOO_LARGE',
    ],
    ['a packet over every limit', TOPIC, {}, channels.sighting.maximumBytes + 2048, 'MQTT.MESSAGE_TOO_LARGE'],
    ['a retained sighting', TOPIC, { retain: true }, 10, 'MQTT.WRONG_FLAGS'],
  ])('cuts a device off that publishes with %s, and runs on', async (_what, topic, options, bytes, code) => {
    const device = await open('acme/cam-1', { reconnect: { baseMs: 5000, capMs: 5000 } });
    const disconnected = nextEvent(device, 'disconnected');
    await device.publish(topic, new Uint8Array(bytes), options).catch(() => undefined);
    await disconnected;
    expect(log.codes()).toContain(code);
    await expectDelivery();
  });

  it('delivers a payload of exactly the largest size', async () => {
    const received: MqttMessage[] = [];
    const service = await open('cloud-api');
    await service.subscribe(FILTER, async (message) => void received.push(message));
    const device = await open('acme/cam-1');
    await device.publish(TOPIC, new Uint8Array(channels.sighting.maximumBytes));
    await vi.waitFor(() => expect(received).toHaveLength(1));
  });

  it('refuses a wrong password, a foreign client id and a forbidden will, each with its code', async () => {
    const attempts: readonly [Partial<ConnectMqttOptions>, string][] = [
      [{ password: 'wrong' }, 'MQTT.BAD_CREDENTIALS'],
      [{ clientId: 'acme/cam-2' }, 'MQTT.FOREIGN_CLIENT_ID'],
      [
        { will: { topic: 'sightline/v1/acme/cam-2/status', payload: Uint8Array.of(1), qos: 1, retain: true } },
        'MQTT.FOREIGN_PREFIX',
      ],
    ];
    for (const [options, code] of attempts) {
      const connection = await connectTestClient(broker.url, 'acme/cam-1', options);
      await vi.waitFor(() => expect(log.codes()).toContain(code));
      expect(connection.connected).toBe(false);
      await connection.close();
    }
    await expectDelivery();
  });

  it('answers that it is unavailable when credentials cannot be checked', async () => {
    const failing = await startEmbeddedBroker({
      host: '127.0.0.1',
      port: 0,
      log,
      authenticate: () => Promise.reject(new Error('database')),
    });
    const connection = await connectTestClient(failing.url, 'acme/cam-1');
    await vi.waitFor(() => expect(log.codes()).toContain('MQTT.CANNOT_AUTHENTICATE'));
    await connection.close();
    await failing.close();
  });

  it('publishes the will of a device that vanishes, but not of one that says goodbye', async () => {
    const received: MqttMessage[] = [];
    const service = await open('cloud-api');
    await service.subscribe('sightline/v1/+/+/status', async (message) => void received.push(message));
    const will = { topic: 'sightline/v1/acme/cam-1/status', payload: Uint8Array.of(0), qos: 1, retain: true } as const;
    const polite = await open('acme/cam-1', { will });
    await polite.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(received).toHaveLength(0);

    const socket = await rawClient();
    const willBody = [...text(will.topic), ...text('\0')];
    const flags = 0xc0 | 0x20 | 0x08 | 0x04; // username, password, will retained, will QoS 1, will
    socket.write(
      packet(0x10, [
        ...text('MQTT'),
        4,
        flags,
        0,
        60,
        ...text('acme/cam-1'),
        ...willBody,
        ...text('acme/cam-1'),
        ...text(PASSWORD),
      ]),
    );
    await once(socket, 'data');
    socket.destroy();
    await vi.waitFor(() => expect(received).toMatchObject([{ topic: will.topic, retained: false }]));
  });

  it('keeps retained messages for whoever subscribes later', async () => {
    const service = await open('cloud-api');
    const topic = 'sightline/v1/acme/cam-1/desired/config';
    await service.publish(topic, Uint8Array.of(1), { retain: true });
    await service.publish(topic, Uint8Array.of(2), { retain: true });
    const received: MqttMessage[] = [];
    const device = await open('acme/cam-1');
    await device.subscribe(topic, async (message) => void received.push(message));
    await vi.waitFor(() => expect(received).toHaveLength(1));
    expect(received[0]).toMatchObject({ retained: true, payload: Uint8Array.of(2) });
  });

  it('refuses subscriptions outside the own prefix, shared ones, and a second consumer of sightings', async () => {
    const device = await open('acme/cam-1');
    const service = await open('cloud-api');
    const second = await open('cloud-api', { clientId: 'cloud-api:2' });
    const nothing = async (): Promise<void> => undefined;
    const refused = { code: 'MQTT.SUBSCRIPTION_REFUSED' };
    await expect(device.subscribe('sightline/v1/acme/#', nothing)).rejects.toMatchObject(refused);
    await expect(service.subscribe(`$share/ingest/${FILTER}`, nothing)).rejects.toMatchObject(refused);
    await service.subscribe(FILTER, nothing);
    await expect(second.subscribe(FILTER, nothing)).rejects.toMatchObject(refused);
    expect(log.codes()).toEqual(
      expect.arrayContaining(['MQTT.FOREIGN_PREFIX', 'MQTT.SHARED_SUBSCRIPTION', 'MQTT.SECOND_CONSUMER']),
    );
    await service.close();
    await vi.waitFor(() => second.subscribe(FILTER, nothing));
  });

  it('sends a device nothing of others, even through a subscription smuggled into its session', async () => {
    // One allowed filter makes aedes store the whole packet's list, the refused one with it.
    const socket = await rawClient();
    socket.write(connectPacket('acme/cam-1'));
    await once(socket, 'data');
    const own = 'sightline/v1/acme/cam-1/sighting/ack';
    const foreign = 'sightline/v1/acme/cam-2/sighting/ack';
    socket.write(packet(0x82, [0, 1, ...text(own), 1, ...text(foreign), 1]));
    const [suback] = (await once(socket, 'data')) as [Buffer];
    expect([...suback.subarray(-2)]).toEqual([1, 0x80]);
    socket.destroy();

    const service = await open('cloud-api');
    await service.publish(foreign, Uint8Array.of(66));
    await service.publish(own, Uint8Array.of(77));
    const again = await rawClient();
    const bytes: Buffer[] = [];
    again.on('data', (chunk: Buffer) => bytes.push(chunk));
    again.write(connectPacket('acme/cam-1'));
    await vi.waitFor(() => expect(Buffer.concat(bytes).includes(own)).toBe(true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(Buffer.concat(bytes).includes(foreign)).toBe(false);
    again.destroy();
  });

  it.each([
    ['what is not MQTT', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a first packet that is no CONNECT', packet(0x30, [...text(TOPIC), 1])],
    ['a CONNECT of an unknown version', packet(0x10, [...text('MQTT'), 9, 0xc0, 0, 60, ...text('a')])],
    ['a CONNECT that announces 256 MiB', Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f)],
    ['reserved flags', Uint8Array.from([...connectPacket('acme/cam-1'), 0xe1, 0x00])],
    [
      'a PUBLISH cut short inside its topic',
      Uint8Array.from([...connectPacket('acme/cam-1'), 0x32, 0x03, 0xff, 0xff, 0x41]),
    ],
    ['a second CONNECT', Uint8Array.from([...connectPacket('acme/cam-1'), ...connectPacket('acme/cam-1')])],
    [
      'a topic with a wildcard',
      Uint8Array.from([...connectPacket('acme/cam-1'), ...packet(0x30, [...text('sightline/#'), 1])]),
    ],
  ])('cuts the connection on %s, and runs on', async (_what, bytes) => {
    const socket = await rawClient();
    socket.write(bytes);
    await untilClosed(socket);
    expect(log.codes().length).toBeGreaterThan(0);
    await expectDelivery();
  });

  it('survives random bytes, before and after a CONNECT', async () => {
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 300 }), async (connected, bytes) => {
        const socket = await rawClient();
        if (connected) {
          socket.write(connectPacket('acme/cam-1'));
          await once(socket, 'data');
        }
        socket.end(bytes);
        await untilClosed(socket);
      }),
      { numRuns: 150 },
    );
    await expectDelivery();
  });

  it('says that an address is taken', async () => {
    await expect(startTestBroker(log, broker.port)).rejects.toMatchObject({ code: 'MQTT.CANNOT_LISTEN' });
  });

  it('closes with clients connected, and with sockets that never said who they are', async () => {
    const device = await open('acme/cam-1');
    const socket = await rawClient();
    const disconnected = nextEvent(device, 'disconnected');
    await broker.close();
    await broker.close();
    await disconnected;
    await untilClosed(socket);
  });
});
