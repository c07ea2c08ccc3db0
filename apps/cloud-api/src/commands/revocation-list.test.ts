import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger, systemClock } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { keepRevocationList } from './revocation-list.js';

const list = (content: string): string => `-----BEGIN X509 CRL-----\n${content}\n-----END X509 CRL-----\n`;
let folder: string;
let server: Server;
let url: string;
let answer = { status: 200, body: list('AAAA') };
let told: number[] = [];

beforeEach(async () => {
  told = [];
  folder = await mkdtemp(join(tmpdir(), 'sightline-list-'));
  server = createServer((request, response) => {
    const isList = request.url === '/base/v1/device-certificates/crl';
    response.writeHead(isList ? answer.status : 404).end(isList ? answer.body : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/base`;
  await writeFile(join(folder, 'pid'), '4711\n');
});
afterEach(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

const keep = (more: { readonly pidFile?: string } = {}) =>
  keepRevocationList(
    { url, output: join(folder, 'crl.pem'), pidFile: join(folder, 'pid'), ...more },
    {
      ...{ clock: systemClock, log: silentLogger, signal: new AbortController().signal },
      kill: (pid) => void told.push(pid),
    },
  );

describe('the command that keeps the revocation list', () => {
  it('writes a list that has changed, and only then has the broker read it', async () => {
    await keep();
    await keep();
    expect(told).toEqual([4711]);
    answer = { status: 200, body: list('BBBB') };
    await keep();
    expect(told).toEqual([4711, 4711]);
    expect(await readFile(join(folder, 'crl.pem'), 'utf8')).toBe(list('BBBB'));
  });

  it('leaves the list as it is when the answer is none, and tells no process but a broker', async () => {
    answer = { status: 200, body: list('CCCC') };
    await keep();
    for (const bad of [
      { status: 503, body: list('DDDD') },
      { status: 200, body: '<html>' },
    ]) {
      answer = bad;
      await expect(keep()).rejects.toMatchObject({ code: 'REVOCATION_LIST.UNREACHABLE' });
    }
    expect(await readFile(join(folder, 'crl.pem'), 'utf8')).toBe(list('CCCC'));
    answer = { status: 200, body: list('EEEE') };
    for (const pid of ['1', '0', '-5', 'none']) {
      await rm(join(folder, 'crl.pem'));
      await writeFile(join(folder, 'pid'), pid);
      await expect(keep()).rejects.toMatchObject({ code: 'REVOCATION_LIST.NO_BROKER' });
    }
    expect(told).toEqual([4711]);
  });
});
