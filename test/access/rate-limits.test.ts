import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startTestDatabase } from '@sightline/database/testing';
import { StopStack } from '@sightline/kernel';
import { startMosquitto, startRedis, type RedisServer } from '@sightline/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CloudProcess } from '../ingest/cloud-process.js';

const ADMIN_KEY = 'test-admin-key-0123456789abcdef';
const PASSWORD = 'correct horse';
const LIMIT = 20;

describe('the limit of requests, of two processes with one Redis', () => {
  const stack = new StopStack();
  let redis: RedisServer;
  let clouds: readonly CloudProcess[] = [];

  beforeAll(async () => {
    const keyStoreDirectory = await mkdtemp(join(tmpdir(), 'sightline-rate-limits-'));
    stack.push(() => rm(keyStoreDirectory, { recursive: true, force: true }));
    const [mosquitto, database] = await Promise.all([
      startMosquitto({ devices: [], services: ['cloud-api'], password: PASSWORD }),
      startTestDatabase(),
    ]);
    stack.push(() => mosquitto.close());
    stack.push(() => database.close());
    redis = await startRedis();
    stack.push(() => redis.close());
    const start = (instance: string) =>
      CloudProcess.start({
        ...{ databaseUrl: database.url, redisUrl: redis.url, keyStoreDirectory, adminKey: ADMIN_KEY, dimension: 8 },
        mqtt: { url: mosquitto.url, username: 'cloud-api', password: PASSWORD },
        shared: { group: 'cloud', instance },
        access: { requestsPerMinute: { perCaller: LIMIT, perTenant: 1000 } },
      });
    // One after the other: the first makes the tables and the key.
    clouds = [await start('a'), await start('b')];
    for (const cloud of clouds) stack.push(() => cloud.stop());
  });
  afterAll(() => stack.stop());

  async function ask(process: number): Promise<{ readonly status: number; readonly remaining: number }> {
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    const answer = await fetch(new URL('/v1/retention', clouds[process]?.url), { headers });
    await answer.arrayBuffer();
    const remaining = answer.headers.get('ratelimit-remaining');
    return { status: answer.status, remaining: remaining === null ? Number.NaN : Number(remaining) };
  }
  /** So many requests by turns, one at a time. */
  async function askByTurns(count: number) {
    const answers = [];
    for (let turn = 0; turn < count; turn += 1) answers.push(await ask(turn % 2));
    return answers;
  }

  it('holds over both: each sees what the other has let through', async () => {
    const within = await askByTurns(LIMIT);
    expect(within.map(({ status }) => status)).toEqual(within.map(() => 200));
    expect(within.map(({ remaining }) => remaining)).toEqual(within.map((_, index) => LIMIT - 1 - index));
    const beyond = await askByTurns(4);
    expect(beyond.map(({ status }) => status)).toEqual([429, 429, 429, 429]);
  });

  it('is no reason to be down: while Redis is away requests go through, and count again once it is back', async () => {
    await redis.kill();
    const away = await askByTurns(LIMIT + 4);
    expect(away.map(({ status }) => status)).toEqual(away.map(() => 200));
    await redis.restart();
    // A Redis that was killed has forgotten the minute: the limit begins anew.
    for (const process of clouds.keys()) {
      await expect
        .poll(async () => (await ask(process)).remaining, { timeout: 5000, interval: 50 })
        .toBeLessThan(LIMIT);
    }
    await askByTurns(LIMIT);
    expect([(await ask(0)).status, (await ask(1)).status]).toEqual([429, 429]);
  });
});
