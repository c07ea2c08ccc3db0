import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { connectMqtt, type ConnectMqttOptions, type MqttConnection, type MqttMessage } from '@sightline/messaging';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

export const PASSWORD = 'correct horse';
export const DEVICES = ['acme/cam-1', 'acme/cam-2'];
export const SERVICES = ['cloud-api', 'model-registry'];

/** A broker that knows {@link DEVICES} and {@link SERVICES}, all with {@link PASSWORD}. */
export interface BrokerUnderTest {
  readonly url: string;
  /** Ends it without warning: everything that it held in memory is gone. */
  kill(): Promise<void>;
  /** Starts it again at the same address. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const FILTER = 'sightline/v1/+/+/sighting';
const TOPIC = 'sightline/v1/acme/cam-1/sighting';
const WAIT = { timeout: 60_000, interval: 20 };
const CLIENT_SCRIPT = fileURLToPath(new URL('./ledger-client.mjs', import.meta.url));

function numbered(value: number): Uint8Array {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value);
  return payload;
}

async function readNumbers(file: string): Promise<number[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean).map(Number);
}

/** What the platform relies on in any broker that it runs with. */
export function describeMqttConformance(name: string, startBroker: () => Promise<BrokerUnderTest>): void {
  describe(`MQTT on ${name}`, () => {
    let broker: BrokerUnderTest;
    let folder: string;
    let opened: MqttConnection[] = [];
    const children = new Set<ChildProcess>();

    const connectionOptions = (username: string): ConnectMqttOptions => ({
      url: broker.url,
      clientId: username,
      username,
      password: PASSWORD,
      reconnect: { baseMs: 20, capMs: 200 },
      redeliver: { baseMs: 20, capMs: 200 },
      closeTimeoutMs: 200,
    });

    async function open(username: string, options: Partial<ConnectMqttOptions> = {}): Promise<MqttConnection> {
      const connection = await connectMqtt({ ...connectionOptions(username), ...options });
      opened.push(connection);
      await vi.waitFor(() => expect(connection.connected).toBe(true), WAIT);
      return connection;
    }

    async function spawnClient(options: Readonly<Record<string, unknown>>): Promise<ChildProcess> {
      const child = spawn(process.execPath, [CLIENT_SCRIPT, JSON.stringify(options)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.add(child);
      await once(child.stdout, 'data');
      return child;
    }

    async function killClient(child: ChildProcess): Promise<void> {
      children.delete(child);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sightline-conformance-'));
      broker = await startBroker();
    });

    afterEach(async () => {
      await Promise.all([...children].map(killClient));
      await Promise.all(opened.map((connection) => connection.close()));
      opened = [];
      await broker.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('carries binary payloads of every size up to the largest', async () => {
      const received: MqttMessage[] = [];
      const service = await open('cloud-api');
      await service.subscribe(FILTER, async (message) => void received.push(message));
      const device = await open('acme/cam-1');
      const sizes = [0, 1, 127, 128, 16_383, 16_384, 1024 * 1024];
      const payloads = sizes.map((size) => Uint8Array.from({ length: size }, (_, index) => (index * 7 + size) % 256));
      for (const payload of payloads) await device.publish(TOPIC, payload);
      await vi.waitFor(() => expect(received).toHaveLength(sizes.length), WAIT);
      for (const [index, payload] of payloads.entries()) {
        expect(Buffer.compare(received[index]!.payload, payload)).toBe(0);
      }
    });

    it('brings nothing that a device publishes outside its prefix, or on a channel of services', async () => {
      const received: string[] = [];
      const service = await open('cloud-api');
      const note = async ({ topic }: MqttMessage): Promise<void> => void received.push(topic);
      await service.subscribe(FILTER, note);
      const victim = await open('acme/cam-2');
      await victim.subscribe('sightline/v1/acme/cam-2/#', note);
      const intruder = await open('acme/cam-1');
      for (const channel of ['sighting', 'desired/config', 'sighting/ack']) {
        await intruder.publish(`sightline/v1/acme/cam-2/${channel}`, Uint8Array.of(1)).catch(() => undefined);
        await vi.waitFor(() => expect(intruder.connected).toBe(true), WAIT);
      }
      await intruder.publish('sightline/v1/acme/cam-1/desired/config', Uint8Array.of(1)).catch(() => undefined);
      await vi.waitFor(() => intruder.publish(TOPIC, Uint8Array.of(1)), WAIT);
      await vi.waitFor(() => expect(received).toContain(TOPIC), WAIT);
      expect(received).toEqual([TOPIC]);
    });

    it('refuses a wrong password', async () => {
      const stranger = await connectMqtt({ ...connectionOptions('acme/cam-1'), password: 'wrong' });
      opened.push(stranger);
      await delay(500);
      expect(stranger.connected).toBe(false);
    });

    it('keeps the last retained message of a topic for later subscribers', async () => {
      const topic = 'sightline/v1/acme/cam-1/desired/release';
      const service = await open('model-registry');
      for (const version of [1, 2]) await service.publish(topic, numbered(version), { retain: true });
      const received: MqttMessage[] = [];
      const device = await open('acme/cam-1');
      await device.subscribe(topic, async (message) => void received.push(message));
      await vi.waitFor(() => expect(received).toHaveLength(1), WAIT);
      expect(received[0]!.retained).toBe(true);
      expect(Buffer.compare(received[0]!.payload, numbered(2))).toBe(0);
    });

    it('publishes the will of a killed device, and none for one that closes', async () => {
      const received: MqttMessage[] = [];
      const service = await open('cloud-api');
      await service.subscribe('sightline/v1/+/+/status', async (message) => void received.push(message));
      const topic = 'sightline/v1/acme/cam-1/status';
      const polite = await open('acme/cam-1', { will: { topic, payload: Uint8Array.of(1), qos: 1, retain: true } });
      await polite.close();
      const will = { topic, payload: [2], qos: 1, retain: true };
      await killClient(await spawnClient({ connection: { ...connectionOptions('acme/cam-1'), will } }));
      await vi.waitFor(() => expect(received).toHaveLength(1), WAIT);
      expect([...received[0]!.payload]).toEqual([2]);
    });

    it('delivers again what was not acknowledged, and nothing that was, in whatever order that happened', async () => {
      const finish = new Map<number, () => void>();
      const service = await open('cloud-api');
      await service.subscribe(
        FILTER,
        ({ payload }) => new Promise((resolve) => finish.set(Buffer.from(payload).readUInt32BE(), resolve)),
      );
      const device = await open('acme/cam-1');
      for (const value of [1, 2, 3, 4, 5]) await device.publish(TOPIC, numbered(value));
      await vi.waitFor(() => expect(finish.size).toBe(5), WAIT);
      for (const value of [5, 3, 1]) finish.get(value)!();
      await delay(100);
      await service.close();

      const redelivered: number[] = [];
      const next = await open('cloud-api');
      await next.subscribe(FILTER, async ({ payload }) => void redelivered.push(Buffer.from(payload).readUInt32BE()));
      await vi.waitFor(() => expect(redelivered).toHaveLength(2), WAIT);
      await delay(200);
      expect(redelivered).toEqual([2, 4]);
    });

    it('loses nothing when the consumer is killed, again and again, while messages flow', async () => {
      const total = 1500;
      const ledgerFile = join(folder, 'ledger');
      const consumer = { connection: connectionOptions('cloud-api'), filter: FILTER, ledgerFile, workMs: 10 };
      let child = await spawnClient(consumer);
      const device = await open('acme/cam-1');
      const publishing = (async () => {
        for (let value = 0; value < total; value += 1) {
          await device.publish(TOPIC, numbered(value));
          if (value % 20 === 0) await delay(10);
        }
      })();
      for (let kills = 0; kills < 5; kills += 1) {
        await delay(150);
        await killClient(child);
        child = await spawnClient(consumer);
      }
      await publishing;
      await vi.waitFor(async () => expect(new Set(await readNumbers(ledgerFile)).size).toBe(total), WAIT);
    });

    it('finds its way back to a broker that was killed and has forgotten everything', async () => {
      const received: number[] = [];
      const service = await open('cloud-api');
      await service.subscribe(FILTER, async ({ payload }) => void received.push(Buffer.from(payload).readUInt32BE()));
      const device = await open('acme/cam-1');
      await broker.kill();
      await vi.waitFor(() => expect(device.connected).toBe(false), WAIT);
      await expect(device.publish(TOPIC, numbered(1))).rejects.toMatchObject({ code: 'MQTT.OFFLINE', retryable: true });
      await broker.restart();
      await vi.waitFor(async () => {
        await device.publish(TOPIC, numbered(2));
        expect(received).toContain(2);
      }, WAIT);
      expect(received).not.toContain(1);
    });

    it('holds a bounded number of messages when handlers are slow, and handles them all', async () => {
      const total = 300;
      let running = 0;
      let mostRunning = 0;
      const handled = new Set<number>();
      const maximumUnacknowledged = { messages: 5, bytes: 1024 * 1024 };
      const service = await open('cloud-api', { maximumUnacknowledged });
      await service.subscribe(FILTER, async ({ payload }) => {
        running += 1;
        mostRunning = Math.max(mostRunning, running);
        await delay(5);
        running -= 1;
        handled.add(Buffer.from(payload).readUInt32BE());
      });
      const device = await open('acme/cam-1');
      await Promise.all(Array.from({ length: total }, (_, value) => device.publish(TOPIC, numbered(value))));
      await vi.waitFor(() => expect(handled.size).toBe(total), WAIT);
      expect(mostRunning).toBeLessThanOrEqual(5);
    });
  });
}
