import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { localApiSchema } from '../config/operation-config.js';
import { TestLog } from '../testing/test-log.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { LocalApi } from './local-api.js';

let directory: string;
let api: LocalApi | undefined;
const well = { live: true, ready: true };
const clock = new VirtualClock();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-api-'));
  Object.assign(well, { live: true, ready: true });
});
afterEach(async () => {
  await api?.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function start(config: object = {}): Promise<LocalApi> {
  api = new LocalApi({
    config: localApiSchema.parse(config),
    dataDirectory: directory,
    live: () => ({ isWell: well.live, details: { stuck: well.live ? [] : ['recogniser'] } }),
    ready: () => ({ isWell: well.ready, details: { outbox: 'ok' } }),
    status: () => ({ connected: true }),
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
    clock,
    random: () => 0.5,
    log: new TestLog(),
  });
  await api.start();
  return api;
}

interface Got {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function ask(options: RequestOptions): Promise<Got> {
  const asked = request(options);
  asked.end();
  const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

const onSocket = (path: string, options: RequestOptions = {}): Promise<Got> =>
  ask({ socketPath: join(directory, 'agent.sock'), path, ...options });

describe('the local API', () => {
  it('answers on a socket in the data directory, closed to other users, also after a run that was killed', async () => {
    writeFileSync(join(directory, 'agent.sock'), '');
    await start();
    expect(statSync(join(directory, 'agent.sock')).mode & 0o007).toBe(0);
    expect(await onSocket('/status')).toMatchObject({ status: 200, body: '{"connected":true}\n' });
    expect(await onSocket('/metrics?x=1')).toMatchObject({ status: 200, body: 'up 1\n' });
    expect((await onSocket('/health/live', { method: 'HEAD' })).body).toBe('');
  });

  it('says 503 when the agent is stuck or cannot do what it is for', async () => {
    await start();
    expect(await onSocket('/health/live')).toMatchObject({ status: 200 });
    Object.assign(well, { live: false, ready: false });
    expect(await onSocket('/health/live')).toMatchObject({
      status: 503,
      body: expect.stringContaining('recogniser') as string,
    });
    expect(await onSocket('/health/ready')).toMatchObject({ status: 503 });
  });

  it('takes nothing but reads of what it knows', async () => {
    await start();
    expect(await onSocket('/status', { method: 'POST' })).toMatchObject({ status: 405 });
    expect(await onSocket('/../status')).toMatchObject({ status: 404 });
  });

  it('answers on a port of the loopback interface to local names alone', async () => {
    const { address = '' } = await start({ port: 0 });
    const { port } = new URL(address);
    const asking = (host: string): Promise<Got> => ask({ host: '127.0.0.1', port, path: '/status', headers: { host } });
    expect(await asking(`localhost:${port}`)).toMatchObject({ status: 200 });
    expect(await asking(`camera.attacker.example:${port}`)).toMatchObject({ status: 421 });
  });

  it('is off the network unless somebody opens it, and can be switched off', async () => {
    expect(localApiSchema.safeParse({ host: '0.0.0.0', port: 0 }).success).toBe(false);
    expect(localApiSchema.safeParse({ host: '0.0.0.0', port: 0, allowNetwork: true }).success).toBe(true);
    expect(localApiSchema.safeParse({ socket: 'x', port: 0 }).success).toBe(false);
    expect((await start({ enabled: false })).address).toBeUndefined();
  });

  it('tries again when its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const started = await start({ port });
    expect(started.address).toBeUndefined();
    other.close();
    await once(other, 'close');
    await clock.advance(2000);
    await expect.poll(() => started.address).toBe(`http://127.0.0.1:${port}`);
  });
});
