import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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

/** A self-signed certificate with OpenSSL, beginning now. */
function certificateOf(key = newDeviceKey(), days = 90): { readonly certificate: string; readonly key: string } {
  const path = join(directory, 'signer.key');
  writeFileSync(path, keyPem(key), { mode: 0o600 });
  const args = ['req', '-x509', '-key', path, '-subj', '/CN=acme\\/door-1', '-days', String(days)];
  return { certificate: execFileSync('openssl', args, { encoding: 'utf8' }), key: keyPem(key) };
}

describe('a certificate request', () => {
  it('is one to OpenSSL, names the box and is signed by its key', () => {
    const longest = `${'t'.repeat(64)}/${'d'.repeat(64)}`;
    for (const username of ['acme/door-1', longest]) {
      const pem = requestPem(certificateRequest(username, newDeviceKey()));
      const text = execFileSync('openssl', ['req', '-verify', '-noout', '-subject'], {
        ...{ input: pem, encoding: 'utf8' as const },
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      expect(text).toContain(username);
    }
  });
});

describe('the file of the certificate', () => {
  const path = (): string => join(directory, 'device-certificate.pem');

  it('begins with what was provisioned, for its owner alone, and keeps what was renewed over it', () => {
    const first = certificateOf();
    const file = new CertificateFile(path(), first, silentLogger);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    const renewed = certificateOf();
    file.replace(renewed.certificate, renewed.key);
    const again = new CertificateFile(path(), first, silentLogger);
    expect(again.current.serialNumber).toBe(new X509Certificate(renewed.certificate).serialNumber.toLowerCase());
    expect(() => file.replace(first.certificate, renewed.key)).toThrow(
      expect.objectContaining({ code: 'CERTIFICATE.FOREIGN' }),
    );
    expect(readFileSync(path(), 'utf8')).toContain(renewed.certificate.trim());
  });

  it('begins again with what was provisioned when it is damaged', () => {
    const first = certificateOf();
    writeFileSync(path(), 'no certificate');
    chmodSync(path(), 0o600);
    const file = new CertificateFile(path(), first, silentLogger);
    expect(readFileSync(path(), 'utf8')).toContain(first.certificate.trim());
    expect(file.current.notAfterMs - file.current.notBeforeMs).toBe(90 * DAY_MS);
    const keys = ['provisioning.mqtt.tls.certificate'];
    expect(() => new CertificateFile(path(), { ...first, key: certificateOf().key }, silentLogger)).toThrow(
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
    const first = certificateOf();
    const file = new CertificateFile(join(directory, 'device-certificate.pem'), first, silentLogger);
    let nowMs = file.current.notBeforeMs;
    let refusals = 1;
    const { certificate } = certificateOf();
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
