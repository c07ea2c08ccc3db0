import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { connectMqtt } from '@sightline/messaging';
import { startMosquitto, type Mosquitto } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const PASSWORD = 'correct horse';
let folder: string;
let certificateFile: string;
let mosquitto: Mosquitto;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-tls-'));
  certificateFile = join(folder, 'certificate.pem');
  const keyFile = join(folder, 'key.pem');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
  await promisify(execFile)('openssl', ['req', '-x509', ...key, ...subject, '-out', certificateFile]);
  const tls = { certificateFile, keyFile };
  mosquitto = await startMosquitto({ devices: ['acme/cam-1'], services: [], password: PASSWORD, tls });
});

afterAll(async () => {
  await mosquitto.close();
  await rm(folder, { recursive: true, force: true });
});

describe('MQTT over TLS', () => {
  const options = () => ({
    url: mosquitto.url,
    clientId: 'acme/cam-1',
    username: 'acme/cam-1',
    password: PASSWORD,
    reconnect: { baseMs: 20, capMs: 100 },
  });

  it('connects to a broker whose certificate the given authority has signed', async () => {
    const device = await connectMqtt({ ...options(), tls: { ca: await readFile(certificateFile, 'utf8') } });
    await vi.waitFor(() => expect(device.connected).toBe(true), { timeout: 5000 });
    await device.publish('sightline/v1/acme/cam-1/birth', Uint8Array.of(1));
    await device.close();
  });

  it('sends no credentials to a broker that nobody vouches for', async () => {
    const device = await connectMqtt(options());
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(device.connected).toBe(false);
    await device.close();
  });
});
