import { createPublicKey, webcrypto, X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { renewalStatement, type rest } from '@sightline/contracts';
import { silentLogger } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { VirtualClock } from '../../testing/virtual-clock.js';
import { CertificateFile } from './certificate-file.js';
import { CertificateRenewal } from './certificate-renewal.js';
import { certificateRequest, keyPem, newDeviceKey, requestPem } from './certificate-request.js';
import { enrolCertificate, renewCertificate } from './certificate-service.js';

const DAY_MS = 86_400_000;
const patience = { timeout: 8000, interval: 20 };
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-certificates-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A self-signed certificate, beginning now. */
async function certificateOf(
  key = newDeviceKey(),
  days = 90,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const keys = {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, ECDSA, false, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spki, ECDSA, true, ['verify']),
  };
  const notBefore = new Date(Math.floor(Date.now() / 1000) * 1000);
  const notAfter = new Date(notBefore.getTime() + days * DAY_MS);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ name: 'CN=acme/door-1', keys, notBefore, notAfter, signingAlgorithm: ECDSA },
  });
  return { certificate: certificate.toString('pem'), key: keyPem(key) };
}

describe('a certificate request', () => {
  it('names the box and is signed by its key', async () => {
    const longest = `${'t'.repeat(64)}/${'d'.repeat(64)}`;
    for (const username of ['acme/door-1', longest]) {
      const request = new x509.Pkcs10CertificateRequest(requestPem(certificateRequest(username, newDeviceKey())));
      expect(await request.verify()).toBe(true);
      expect(request.subject).toBe(`CN=${username}`);
    }
  });
});

describe('the file of the certificate', () => {
  const path = (): string => join(directory, 'device-certificate.pem');

  it('begins with what was provisioned, for its owner alone, and keeps what was renewed over it', async () => {
    const first = await certificateOf();
    const file = new CertificateFile(path(), first, silentLogger);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    const renewed = await certificateOf();
    file.replace(renewed.certificate, renewed.key);
    const again = new CertificateFile(path(), first, silentLogger);
    expect(again.current.serialNumber).toBe(new X509Certificate(renewed.certificate).serialNumber.toLowerCase());
    expect(() => file.replace(first.certificate, renewed.key)).toThrow(
      expect.objectContaining({ code: 'CERTIFICATE.FOREIGN' }),
    );
    expect(readFileSync(path(), 'utf8')).toContain(renewed.certificate.trim());
  });

  it('begins again with what was provisioned when it is damaged', async () => {
    const first = await certificateOf();
    writeFileSync(path(), 'no certificate');
    chmodSync(path(), 0o600);
    const file = new CertificateFile(path(), first, silentLogger);
    expect(readFileSync(path(), 'utf8')).toContain(first.certificate.trim());
    expect(file.current.notAfterMs - file.current.notBeforeMs).toBe(90 * DAY_MS);
    const keys = ['provisioning.mqtt.tls.certificate'];
    const { key } = await certificateOf();
    expect(() => new CertificateFile(path(), { ...first, key }, silentLogger)).toThrow(
      expect.objectContaining({ code: 'CONFIG.INVALID', details: { keys } }),
    );
  });
});

/** The cloud's end of it over HTTP: answers what it is told to. */
async function startService(answer: (path: string, body: unknown) => { status: number; body: unknown }) {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { status, body } = answer(request.url ?? '', JSON.parse(Buffer.concat(chunks).toString()));
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/cloud`, close: () => server.close() };
}
const problem = (code: string): rest.Problem => ({
  ...{ type: `urn:sightline:error:${code}`, title: 'No', status: 403, code, detail: 'No.', retryable: false },
});

describe('the certificate service', () => {
  it('is asked below its address; its problems keep their code, and whoever is not it is unreachable', async () => {
    const key = newDeviceKey();
    const paths: string[] = [];
    const answers: { status: number; body: unknown }[] = [
      { status: 403, body: problem('ENROLMENT_TOKEN.INVALID') },
      { status: 200, body: '<html>' },
      { status: 502, body: 'bad gateway' },
    ];
    const service = await startService((path) => {
      paths.push(path);
      return answers.shift() ?? { status: 404, body: null };
    });
    const enrol = () => enrolCertificate(service.url, { token: 't', username: 'acme/door-1', key });
    for (const code of ['ENROLMENT_TOKEN.INVALID', 'CERTIFICATE.UNREACHABLE', 'CERTIFICATE.UNREACHABLE'])
      await expect(enrol()).rejects.toMatchObject({ code });
    service.close();
    await expect(enrol()).rejects.toMatchObject({ code: 'CERTIFICATE.UNREACHABLE', retryable: true });
    expect(new Set(paths)).toEqual(new Set(['/cloud/v1/device-certificates']));
    const renewal = { serialNumber: 'ab', key, next: key, username: 'acme/door-1' };
    await expect(renewCertificate(service.url, renewal, AbortSignal.abort())).rejects.toMatchObject({
      code: 'CERTIFICATE.UNREACHABLE',
    });
    expect(Buffer.from(renewalStatement('AB', Uint8Array.of(1))).toString('latin1')).toBe(
      'sightline/certificate-renewal/v1\nab\n\u0001',
    );
  });
});

describe('the renewal', () => {
  it('begins in the middle of a certificate’s life, tries again, and goes on with the next one', async () => {
    const clock = new VirtualClock();
    const first = await certificateOf();
    const file = new CertificateFile(join(directory, 'device-certificate.pem'), first, silentLogger);
    let nowMs = file.current.notBeforeMs;
    let refusals = 1;
    const { certificate } = await certificateOf();
    const asked: number[] = [];
    const replace = vi.spyOn(file, 'replace').mockImplementation(() => undefined);
    const service = await startService(() => {
      asked.push(nowMs);
      if (refusals-- > 0) return { status: 503, body: problem('SERVICE.UNAVAILABLE') };
      const times = { renewAfter: new Date(nowMs).toISOString(), expiresAt: new Date(nowMs).toISOString() };
      return { status: 201, body: { certificate, authorities: certificate, ...times } };
    });
    const renewal = new CertificateRenewal({
      ...{ file, url: service.url, username: 'acme/door-1', nowMs: () => nowMs, clock, log: silentLogger },
      random: () => 0.5,
    });
    renewal.attach();
    const pass = async (ms: number): Promise<void> => {
      nowMs += ms;
      await clock.advance(600_000);
    };
    await pass(49 * DAY_MS);
    expect(asked).toHaveLength(0);
    await pass(DAY_MS);
    await vi.waitFor(() => expect(asked).toHaveLength(1), patience);
    await vi.waitFor(async () => {
      await pass(0);
      expect(replace).toHaveBeenCalled();
    }, patience);
    await renewal.stop();
    service.close();
  });
});
