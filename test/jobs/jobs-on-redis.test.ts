import { defineJob, defineTrigger, openJobs, type Jobs } from '@sightline/jobs';
import { jobsConformance } from '@sightline/jobs/conformance';
import { silentLogger, systemClock } from '@sightline/kernel';
import { startRedis, type RedisServer } from '@sightline/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

const postgresUrl = 'postgres://unused@127.0.0.1:9/unused';
let redis: RedisServer;
const started: Jobs[] = [];

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await Promise.all(started.map((jobs) => jobs.close()));
  await redis.close();
});

jobsConformance(() => Promise.resolve({ redisUrl: redis.url, postgresUrl }));

it('a Redis that may throw jobs away is refused', async () => {
  const evicting = await startRedis({ policy: 'allkeys-lru' });
  try {
    const jobs = openJobs({ redisUrl: evicting.url, postgresUrl, log: silentLogger, clock: systemClock });
    await expect(jobs.start()).rejects.toMatchObject({
      code: 'JOBS.REDIS_MAY_EVICT',
      details: { policy: 'allkeys-lru' },
    });
    await jobs.close();
  } finally {
    await evicting.close();
  }
});

it('a Redis that dies and comes back empty costs nothing but time', async () => {
  const reconcile = defineTrigger('reconcile');
  const work = defineJob('work', (data) => data as { readonly number: number });
  const [wanted, done] = [new Set<number>(), new Set<number>()];
  const jobs = openJobs({ redisUrl: redis.url, postgresUrl, log: silentLogger, clock: systemClock, lockMs: 1000 });
  started.push(jobs);
  jobs.handle(work, async ({ data }) => void done.add(data.number));
  // What the application keeps in PostgreSQL: work that is wanted and not done is enqueued again.
  jobs.handle(reconcile, async () => {
    for (const number of wanted) if (!done.has(number)) await jobs.enqueue(work, { number }, { id: `work-${number}` });
  });
  jobs.schedule(reconcile, { everyMs: 300 });
  await jobs.start();
  for (let number = 0; number < 10; number += 1) {
    wanted.add(number);
    await jobs.enqueue(work, { number }, { id: `work-${number}`, delayMs: 60_000 });
  }
  await redis.kill();
  await expect.poll(() => jobs.answers()).toBe(false);
  wanted.add(10);
  // Says so at once, instead of waiting for Redis.
  expect(await jobs.enqueue(work, { number: 10 })).toBe(false);
  await redis.restart();
  await expect.poll(() => done.size, { timeout: 20_000 }).toBe(11);
  expect(await jobs.answers()).toBe(true);
});
