import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { startTestDatabase } from '@sightline/database/testing';
import { seededIntegers, silentLogger, StopStack } from '@sightline/kernel';
import { startEmbeddedBroker } from '@sightline/messaging';
import { startRedis } from '@sightline/testing';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { findMarkers } from '../privacy/scan.js';

const SCRIPT = fileURLToPath(new URL('../../apps/cloud-api/dist/testing/enrolment-child.js', import.meta.url));
const ADMIN_KEY = 'test-admin-key-0123456789abcdef';
const SERVICE = { username: 'cloud-api', password: 'service-secret' };
const ROWS = 40;
const KILLS = 2;

const stack = new StopStack();
let options: Readonly<Record<string, unknown>>;
let dataDirectory: string;

beforeAll(async () => {
  const database = await startTestDatabase();
  stack.push(() => database.close());
  dataDirectory = await mkdtemp(join(tmpdir(), 'sightline-enrolment-'));
  stack.push(() => rm(dataDirectory, { recursive: true, force: true }));
  const broker = await startEmbeddedBroker({
    ...{ host: '127.0.0.1', port: 0, log: silentLogger },
    authenticate: (username) => Promise.resolve({ kind: 'service', name: username }),
  });
  stack.push(() => broker.close());
  options = {
    ...{ databaseUrl: database.url, mqtt: { url: broker.url, ...SERVICE }, adminKey: ADMIN_KEY, photoMs: 40 },
    ...{ dataDirectory, keyStoreDirectory: join(dataDirectory, 'keys') },
  };
});
afterAll(() => stack.stop());

async function start(
  more: { readonly redisUrl?: string } = {},
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = fork(SCRIPT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send({ ...options, ...more });
  const [reply] = (await once(child, 'message')) as [{ url?: string; error?: string }];
  if (reply.url === undefined) throw new Error(reply.error);
  return { child, url: reply.url };
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

const headers = { authorization: `Bearer ${ADMIN_KEY}` };
async function read<T>(url: string): Promise<T> {
  return (await (await fetch(url, { headers })).json()) as T;
}

interface Progress {
  readonly id: string;
  readonly state: string;
  readonly enrolled: number;
  readonly refused: number;
}

/** A table of as many people, each with a photo of their own. */
async function upload(url: string, people = ROWS): Promise<Progress> {
  const form = new FormData();
  const rows = Array.from({ length: people }, (_, index) => `Person ${index},${index}.png,E-${index}`);
  form.append('people', new Blob([['name,photo,externalId', ...rows].join('\n')]), 'people.csv');
  for (let index = 0; index < people; index += 1) {
    const background = { r: (index * 37) % 256, g: (index * 91) % 256, b: index };
    const photo = await sharp({ create: { width: 40, height: 40, channels: 3, background } })
      .png()
      .toBuffer();
    form.append('photos', new Blob([new Uint8Array(photo)]), `${index}.png`);
  }
  const response = await fetch(`${url}/v1/enrolments`, { method: 'POST', body: form, headers });
  expect(response.status).toBe(202);
  return (await response.json()) as Progress;
}

it('an enrolment in bulk goes on after every SIGKILL, and enrols nobody twice', async () => {
  const random = seededIntegers(7);
  let { child, url } = await start();
  const { id } = await upload(url);
  const progress = () => read<Progress>(`${url}/v1/enrolments/${id}`);
  const counts: number[] = [];
  for (let kills = 0; kills < KILLS; kills += 1) {
    const before = (await progress()).enrolled;
    await expect
      .poll(async () => (await progress()).enrolled, { timeout: 40_000, interval: 20 })
      .toBeGreaterThan(before);
    await new Promise((resolve) => setTimeout(resolve, random(60)));
    await kill(child);
    ({ child, url } = await start());
    counts.push((await progress()).enrolled);
  }
  await expect.poll(async () => (await progress()).state, { timeout: 60_000, interval: 100 }).toBe('done');
  expect(await progress()).toMatchObject({ enrolled: ROWS, refused: 0 });
  // It was killed in the midst of it.
  expect(counts[0]).toBeLessThan(ROWS);
  const { items } = await read<{ items: { externalId: string; faces: number }[] }>(`${url}/v1/people?limit=500`);
  expect(items).toHaveLength(ROWS);
  expect(new Set(items.map(({ externalId }) => externalId)).size).toBe(ROWS);
  expect(items.every(({ faces }) => faces === 1)).toBe(true);
  expect(await readdir(join(dataDirectory, 'enrolments'))).toEqual([]);
  await kill(child);
});

it('names nobody in the files of Redis, which has every command in them that it was ever given', async () => {
  const redis = await startRedis({ writes: true });
  stack.push(() => redis.close());
  const { child, url } = await start({ redisUrl: redis.url });
  const { id } = await upload(url, 3);
  const progress = () => read<Progress>(`${url}/v1/enrolments/${id}`);
  await expect.poll(async () => (await progress()).state, { timeout: 60_000, interval: 100 }).toBe('done');
  await kill(child);
  const { found } = await findMarkers(
    [redis.directory],
    ['Person 0', 'Person 1', '1.png', id].map((what) => ({ what, bytes: Buffer.from(what) })),
  );
  // The job is there: what is looked for would be found.
  expect([...found.keys()]).toEqual([id]);
});
