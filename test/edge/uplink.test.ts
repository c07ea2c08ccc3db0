import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  fleetFilter,
  HealthWindowSchema,
  RecordPayloadSchema,
  SightingAckSchema,
  SightingBatchSchema,
  topicOf,
  type HealthWindow,
} from '@sightline/contracts';
import type { DeviceId, Logger, TenantId } from '@sightline/kernel';
import { certificatesFrom, connectMqtt, type MqttConnection } from '@sightline/messaging';
import { startMosquitto, type Mosquitto } from '@sightline/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Authority, type Certificate } from './certificates.js';
import { RecordingAgent } from './recording-agent.js';

const address = { tenantId: 'acme' as TenantId, deviceId: 'door-1' as DeviceId };
const password = 'correct horse';
const patience = { timeout: 20_000, interval: 50 };

let directory: string;
let authority: Authority;
let mosquitto: Mosquitto;
let box: RecordingAgent;
let cloud: MqttConnection;
let first: Certificate;
const windows: HealthWindow[] = [];
const sequences = new Set<bigint>();

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-uplink-'));
  authority = await Authority.create(join(directory, 'authority'));
  const server = await authority.issue('127.0.0.1');
  mosquitto = await startMosquitto({
    ...{ devices: ['acme/door-1'], services: ['cloud'], password },
    tls: {
      ...server,
      clientAuthorityFile: authority.file,
      revocationListFile: authority.revocationListFile,
    },
  });
  first = await authority.issue('acme/door-1');
  install(first);
  cloud = await startCloud(await authority.issue('cloud'));
  box = await RecordingAgent.start(
    directory,
    {
      ...{ url: mosquitto.url, username: 'acme/door-1', password },
      tls: { ca: authority.file, certificate: installed.certificateFile, key: installed.keyFile },
    },
    { uplink: { reconnectBaseMs: 100, reconnectCapMs: 500, healthWindowMs: 1000 } },
  );
});
afterEach(async () => {
  await box.agent.stop();
  await cloud.close();
  await mosquitto.close();
  rmSync(directory, { recursive: true, force: true });
});

const installed = {
  get certificateFile(): string {
    return join(directory, 'box.pem');
  },
  get keyFile(): string {
    return join(directory, 'box.key');
  },
};

/** Puts a certificate where the box looks, as whoever renews it would. */
function install({ certificateFile, keyFile }: Certificate): void {
  copyFileSync(keyFile, installed.keyFile);
  copyFileSync(certificateFile, installed.certificateFile);
}

/** Acknowledges what it gets, on both streams. */
async function startCloud({ certificateFile, keyFile }: Certificate): Promise<MqttConnection> {
  const connection = await connectMqtt({
    ...{ url: mosquitto.url, clientId: 'cloud', username: 'cloud', password },
    tls: certificatesFrom({ ca: authority.file, certificate: certificateFile, key: keyFile }),
    reconnect: { baseMs: 50, capMs: 200 },
  });
  for (const channel of ['sighting', 'health/window'] as const) {
    await connection.subscribe(fleetFilter(channel), async ({ payload }) => {
      const { streamId, records } = fromBinary(SightingBatchSchema, payload);
      for (const record of records) {
        const { body } = fromBinary(RecordPayloadSchema, record.payload);
        if (body.case === 'healthWindow') windows.push(create(HealthWindowSchema, body.value));
        else sequences.add(record.sequence);
      }
      const ack = { schemaVersion: 1, streamId, committedThrough: records.at(-1)?.sequence ?? 0n, window: 4 };
      const bytes = toBinary(SightingAckSchema, create(SightingAckSchema, ack));
      await connection.publish(topicOf(address, `${channel}/ack`), bytes).catch(() => undefined);
    });
  }
  return connection;
}

describe('a certificate that the broker does not take', () => {
  const strange = async (): Promise<Certificate> => {
    const other = await Authority.create(join(directory, 'strangers'));
    return other.issue('acme/door-1');
  };
  const expired = (): Promise<Certificate> =>
    authority.issue('acme/door-1', ['-startdate', '20200101000000Z', '-enddate', '20200102000000Z']);

  it.each([
    ['MQTT.CERTIFICATE_EXPIRED', expired],
    ['MQTT.CERTIFICATE_UNKNOWN', strange],
    ['MQTT.CERTIFICATE_REQUIRED', async () => undefined],
  ])('is reported as %s', async (code, issue) => {
    const certificate = await issue();
    const codes: unknown[] = [];
    const take = (fields: Readonly<Record<string, unknown>>): void => void codes.push(fields.code);
    const log: Logger = { debug: take, info: take, warn: take, error: take, child: () => log };
    const { certificateFile, keyFile } = certificate ?? {};
    const connection = await connectMqtt({
      ...{ url: mosquitto.url, clientId: 'acme/door-1', username: 'acme/door-1', password, log },
      tls: certificatesFrom({ ca: authority.file, certificate: certificateFile, key: keyFile }),
      reconnect: { baseMs: 50, capMs: 100 },
    });
    await vi.waitFor(() => expect(codes.length).toBeGreaterThan(0), patience);
    // Whoever is refused asks again in five to ten seconds, not in a tenth of one.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(codes).toEqual([code]);
    await connection.close();
  });

  it('is the broker’s own where nobody vouches for that', async () => {
    const codes: unknown[] = [];
    const take = (fields: Readonly<Record<string, unknown>>): void => void codes.push(fields.code);
    const log: Logger = { debug: take, info: take, warn: take, error: take, child: () => log };
    const connection = await connectMqtt({ url: mosquitto.url, clientId: 'acme/door-1', log });
    await vi.waitFor(() => expect(codes).toEqual(['MQTT.BROKER_UNTRUSTED']), patience);
    await connection.close();
  });
});

describe('a box whose certificate is revoked', () => {
  it('is refused, keeps recording, and returns with a new certificate without a restart', async () => {
    const status = () => box.agent.status();
    await vi.waitFor(() => expect(status()).toMatchObject({ connected: true }), patience);
    await vi.waitFor(() => expect(sequences.size).toBeGreaterThan(2), patience);
    await vi.waitFor(() => expect(windows.length).toBeGreaterThan(0), patience);

    await authority.revoke(first);
    await mosquitto.kill();
    await mosquitto.restart();
    await vi.waitFor(() => expect(box.codes).toContain('MQTT.CERTIFICATE_REVOKED'), patience);
    const before = status().outbox.nextSequence;
    await vi.waitFor(() => expect(status().outbox.nextSequence).toBeGreaterThan(before + 5), patience);
    expect(status()).toMatchObject({ connected: false, outbox: { problem: null } });
    expect(status().outbox.backlog).toBeGreaterThan(5);

    install(await authority.issue('acme/door-1'));
    await vi.waitFor(() => expect(status().connected).toBe(true), patience);
    await vi.waitFor(() => expect(status().outbox.backlog).toBeLessThan(3), patience);
    // Nothing was lost meanwhile.
    const through = BigInt(status().outbox.nextSequence - 3);
    for (let sequence = 1n; sequence <= through; sequence += 1n) expect(sequences.has(sequence)).toBe(true);
    const counted = windows.reduce((sum, { sightings }) => sum + sightings, 0n);
    expect(windows[0]).toMatchObject({ restarts: 1, releaseDigest: 'a'.repeat(64) });
    expect(Number(counted)).toBeGreaterThan(0);
  });
});
