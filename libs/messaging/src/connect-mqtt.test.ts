import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, createServer, type Socket } from 'node:net';

import { systemClock, type Clock } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { EmbeddedBroker } from './broker/embedded-broker.js';
import type { ConnectMqttOptions } from './connect-mqtt.js';
import type { MqttConnection, MqttMessage } from './mqtt-connection.js';
import { connectTestClient, nextEvent, recordingLogger, startTestBroker, untilConnected } from './test-support.js';

const FILTER = 'sightline/v1/+/+/sighting';
const TOPIC = 'sightline/v1/acme/cam-1/sighting';

let broker: EmbeddedBroker;
let opened: MqttConnection[] = [];

async function open(username: string, options: Partial<ConnectMqttOptions> = {}): Promise<MqttConnection> {
  const connection = await connectTestClient(broker.url, username, options);
  opened.push(connection);
  await untilConnected(connection);
  return connection;
}

/** A TCP relay whose connections can be cut, as a network would. */
async function startRelay(target: number): Promise<{ url: string; cut: () => void; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((inbound) => {
    const outbound = connectTcp(target, '127.0.0.1');
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const cut = (): void => {
    sockets.forEach((socket) => socket.destroy());
    sockets.clear();
  };
  return {
    url: `mqtt://127.0.0.1:${port}`,
    cut,
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A clock by which everything takes a thousand times as long as it does. @param slept gets the delays asked for, ms */
function thousandfoldClock(slept: number[] = []): Clock {
  return {
    wallMs: () => systemClock.wallMs(),
    monotonicMs: () => systemClock.monotonicMs() * 1000,
    sleep: (ms, signal) => {
      slept.push(ms);
      return systemClock.sleep(ms / 1000, signal);
    },
  };
}

beforeEach(async () => {
  broker = await startTestBroker(recordingLogger());
});

afterEach(async () => {
  await Promise.all(opened.map((connection) => connection.close()));
  opened = [];
  await broker.close();
});

describe('connectMqtt', () => {
  it('speaks plainly to a plain broker although it has a certificate', async () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const privateKey = pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const connection = await open('cloud-api', {
      tls: { ca: 'its authority', certificate: 'its certificate', privateKey },
    });
    expect(connection.connected).toBe(true);
  });

  it('delivers binary payloads untouched, up to the largest', async () => {
    const received: MqttMessage[] = [];
    const service = await open('cloud-api');
    await service.subscribe(FILTER, async (message) => void received.push(message));
    const device = await open('acme/cam-1');
    const payload = Uint8Array.from({ length: 1024 * 1024 }, (_, index) => index % 256);
    await device.publish(TOPIC, payload);
    await device.publish(TOPIC, new Uint8Array(0));
    await vi.waitFor(() => expect(received).toHaveLength(2));
    expect(received[0]).toMatchObject({ topic: TOPIC, retained: false });
    expect(Buffer.compare(received[0]!.payload, payload)).toBe(0);
    expect(received[1]!.payload.byteLength).toBe(0);
  });

  it('reads on while a handler works, and acknowledges in the order in which handlers finish', async () => {
    const finish = new Map<number, () => void>();
    const service = await open('cloud-api');
    await service.subscribe(FILTER, ({ payload }) => new Promise((resolve) => finish.set(payload[0]!, resolve)));
    const device = await open('acme/cam-1');
    for (const value of [1, 2, 3]) await device.publish(TOPIC, Uint8Array.of(value));
    await vi.waitFor(() => expect(finish.size).toBe(3));
    finish.get(3)!();
    finish.get(1)!();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await service.close();

    const redelivered: number[] = [];
    const next = await open('cloud-api');
    await next.subscribe(FILTER, async ({ payload }) => void redelivered.push(payload[0]!));
    await vi.waitFor(() => expect(redelivered).toContain(2));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(redelivered).toEqual([2]);
  });

  it('gets a message again whose consumer died before its handler finished', async () => {
    const relay = await startRelay(broker.port);
    const starts: number[] = [];
    const service = await connectTestClient(relay.url, 'cloud-api');
    opened.push(service);
    await service.subscribe(FILTER, async ({ payload }) => {
      starts.push(payload[0]!);
      if (starts.length === 1) await new Promise(() => undefined);
    });
    const device = await open('acme/cam-1');
    await device.publish(TOPIC, Uint8Array.of(7));
    await vi.waitFor(() => expect(starts).toEqual([7]));
    relay.cut();
    await vi.waitFor(() => expect(starts).toEqual([7, 7]));
    await service.close();
    await relay.close();
  });

  it('asks for a message again when its handler failed', async () => {
    const log = recordingLogger();
    let attempts = 0;
    const service = await open('cloud-api', { log });
    await service.subscribe(FILTER, async () => {
      attempts += 1;
      if (attempts < 3) throw new Error('the database is away');
    });
    const device = await open('acme/cam-1');
    await device.publish(TOPIC, Uint8Array.of(1));
    await vi.waitFor(() => expect(attempts).toBe(3));
    expect(log.codes().filter((code) => code === 'MQTT.HANDLER_FAILED')).toHaveLength(2);
  });

  it('does not pass for dead while it asks for redelivery: its will is not sent', async () => {
    const statuses: MqttMessage[] = [];
    const service = await open('cloud-api');
    await service.subscribe('sightline/v1/+/+/status', async (message) => void statuses.push(message));
    const will = { topic: 'sightline/v1/acme/cam-1/status', payload: Uint8Array.of(0), qos: 1, retain: true } as const;
    const device = await open('acme/cam-1', { will });
    let attempts = 0;
    await device.subscribe('sightline/v1/acme/cam-1/identification', async () => {
      attempts += 1;
      if (attempts === 1) throw new Error('busy');
    });
    await service.publish('sightline/v1/acme/cam-1/identification', Uint8Array.of(1));
    await vi.waitFor(() => expect(attempts).toBe(2));
    expect(statuses).toEqual([]);
  });

  it('takes renewed certificates at once, and its will is out should the broker refuse them', async () => {
    const statuses: MqttMessage[] = [];
    const service = await open('cloud-api');
    await service.subscribe('sightline/v1/+/+/status', async (message) => void statuses.push(message));
    const will = { topic: 'sightline/v1/acme/cam-1/status', payload: Uint8Array.of(0), qos: 1, retain: true } as const;
    let ca = 'first';
    const device = await open('acme/cam-1', {
      ...{ will, tls: async () => ({ ca }), clock: thousandfoldClock() },
      // A wait that nothing leaves out outlasts the test.
      ...{ reconnect: { baseMs: 60_000_000, capMs: 60_000_000 }, random: () => 1 },
    });
    const connected = nextEvent(device, 'connected');
    ca = 'second';
    await connected;
    await vi.waitFor(() => expect(statuses.map(({ payload }) => [...payload])).toEqual([[0]]));
  });

  it.each([
    ['attempts that never connect, however long they take', undefined, [20, 40, 80, 100]],
    ['connections that lasted', Uint8Array.of(0x20, 0x02, 0x00, 0x00), [20, 20, 20, 20]],
  ])('waits as long as it should after %s', async (_what, connack, expected) => {
    // By the client's clock, the connection is there for half a minute.
    const brief = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => {
        if (connack) socket.write(connack);
        setTimeout(() => socket.destroy(), 30);
      });
    });
    brief.listen(0, '127.0.0.1');
    await once(brief, 'listening');
    const address = brief.address();
    const url = `mqtt://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
    const slept: number[] = [];
    const device = await connectTestClient(url, 'acme/cam-1', { clock: thousandfoldClock(slept), random: () => 1 });
    await vi.waitFor(() => expect(slept.length).toBeGreaterThanOrEqual(4));
    expect(slept.slice(0, 4)).toEqual(expected);
    await device.close();
    brief.close();
  });

  it('keeps messages that arrive before their handler is there', async () => {
    const first = await open('cloud-api');
    await first.subscribe(FILTER, async () => undefined);
    await first.close();
    const device = await open('acme/cam-1');
    await device.publish(TOPIC, Uint8Array.of(1));

    const next = await open('cloud-api');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const received: number[] = [];
    await next.subscribe(FILTER, async ({ payload }) => void received.push(payload[0]!));
    await vi.waitFor(() => expect(received).toEqual([1]));
  });

  it('reconnects, subscribes again and says whether the broker still knew the session', async () => {
    const relay = await startRelay(broker.port);
    const service = await connectTestClient(relay.url, 'cloud-api');
    opened.push(service);
    const received: number[] = [];
    await service.subscribe(FILTER, async ({ payload }) => void received.push(payload[0]!));
    const device = await open('acme/cam-1');
    const disconnected = nextEvent(service, 'disconnected');
    const connected = nextEvent(service, 'connected');
    relay.cut();
    expect(await disconnected).toHaveProperty('reason');
    expect(await connected).toEqual({ sessionPresent: true });
    await device.publish(TOPIC, Uint8Array.of(9));
    await vi.waitFor(() => expect(received).toEqual([9]));
    await service.close();
    await relay.close();
  });

  it('finds a broker that comes later and one that forgot everything', async () => {
    const { port, url } = broker;
    await broker.close();
    const service = await connectTestClient(url, 'cloud-api');
    opened.push(service);
    const received: number[] = [];
    const granted = service.subscribe(FILTER, async ({ payload }) => void received.push(payload[0]!));
    await new Promise((resolve) => setTimeout(resolve, 100));
    broker = await startTestBroker(recordingLogger(), port);
    await granted;
    await broker.close();
    broker = await startTestBroker(recordingLogger(), port);
    const device = await open('acme/cam-1');
    await vi.waitFor(() => expect(service.connected).toBe(true));
    await vi.waitFor(async () => {
      await device.publish(TOPIC, Uint8Array.of(5));
      expect(received).toContain(5);
    });
  });

  it('refuses to publish offline, and fails what was in flight when the connection broke', async () => {
    const device = await open('acme/cam-1');
    await broker.close();
    await vi.waitFor(() => expect(device.connected).toBe(false));
    await expect(device.publish(TOPIC, Uint8Array.of(1))).rejects.toMatchObject({
      code: 'MQTT.OFFLINE',
      retryable: true,
    });
    await expect(device.publish('a/+', Uint8Array.of(1))).rejects.toMatchObject({ code: 'MQTT.UNKNOWN_TOPIC' });
  });

  it('keeps a bounded number of publishes in flight, and stops waiting when aborted', async () => {
    // A server that accepts the connection and never acknowledges a message.
    const silent = createServer((socket) => {
      socket.once('data', () => socket.write(Uint8Array.of(0x20, 0x02, 0x00, 0x00)));
      socket.on('error', () => undefined);
    });
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const url = `mqtt://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
    const device = await connectTestClient(url, 'acme/cam-1', { maximumInFlight: 1 });
    await untilConnected(device);
    const first = device.publish(TOPIC, Uint8Array.of(1));
    const second = device.publish(TOPIC, Uint8Array.of(2), { signal: AbortSignal.timeout(50) });
    await expect(second).rejects.toMatchObject({ name: 'TimeoutError' });
    const firstFails = expect(first).rejects.toMatchObject({ code: 'MQTT.OFFLINE' });
    await device.close();
    await firstFails;
    silent.close();
  });

  it.each([
    ['handlers work for longer than the keep-alive', {}],
    ['reading has stopped because too much is unacknowledged', { maximumUnacknowledged: { messages: 1, bytes: 1000 } }],
  ])('stays connected while %s', async (_what, options) => {
    const disconnects: unknown[] = [];
    let finish: () => void = () => undefined;
    const received: number[] = [];
    const service = await open('cloud-api', { keepaliveSeconds: 1, ...options });
    service.on('disconnected', (detail) => disconnects.push(detail));
    await service.subscribe(FILTER, ({ payload }) => {
      received.push(payload[0]!);
      return payload[0] === 1 ? new Promise((resolve) => (finish = resolve)) : Promise.resolve();
    });
    const device = await open('acme/cam-1');
    await device.publish(TOPIC, Uint8Array.of(1));
    await new Promise((resolve) => setTimeout(resolve, 3500));
    await device.publish(TOPIC, Uint8Array.of(2));
    finish();
    await vi.waitFor(() => expect(received).toEqual([1, 2]));
    expect(disconnects).toEqual([]);
  });

  it('lets handlers finish when it closes, and sends their acknowledgements', async () => {
    const service = await open('cloud-api', { closeTimeoutMs: 2000 });
    let started = false;
    await service.subscribe(FILTER, async () => {
      started = true;
      await new Promise((resolve) => setTimeout(resolve, 200));
    });
    const device = await open('acme/cam-1');
    await device.publish(TOPIC, Uint8Array.of(1));
    await vi.waitFor(() => expect(started).toBe(true));
    await service.close();
    await service.close();

    const received: number[] = [];
    const next = await open('cloud-api');
    await next.subscribe(FILTER, async ({ payload }) => void received.push(payload[0]!));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(received).toEqual([]);
    await expect(service.subscribe('sightline/v1/+/+/birth', async () => undefined)).rejects.toMatchObject({
      code: 'MQTT.CLOSED',
    });
  });

  it('gives a filter to one handler', async () => {
    const service = await open('cloud-api');
    await service.subscribe(FILTER, async () => undefined);
    await expect(service.subscribe(FILTER, async () => undefined)).rejects.toMatchObject({
      code: 'MQTT.ALREADY_SUBSCRIBED',
    });
  });

  it('goes on when a listener fails', async () => {
    const log = recordingLogger();
    const service = await connectTestClient(broker.url, 'cloud-api', { log });
    opened.push(service);
    service.on('connected', () => {
      throw new Error('listener');
    });
    await nextEvent(service, 'connected');
    expect(service.connected).toBe(true);
    expect(log.codes()).toContain('MQTT.LISTENER_FAILED');
  });

  it('backs off from a broker that refuses its password, and closes cleanly', async () => {
    const log = recordingLogger();
    const stranger = await connectTestClient(broker.url, 'acme/cam-1', { password: 'wrong', log });
    opened.push(stranger);
    await vi.waitFor(() => expect(log.codes()).toContain('MQTT.BAD_CREDENTIALS'), { timeout: 5000 });
    expect(stranger.connected).toBe(false);
  });
});
