import { startTestDatabase, type TestDatabase } from '@sightline/database/testing';
import { silentLogger, systemClock } from '@sightline/kernel';
import { afterAll, expect, it } from 'vitest';

import { jobsConformance } from './conformance.js';
import { openJobs } from './open-jobs.js';

let database: TestDatabase | undefined;
afterAll(() => database?.close());

jobsConformance(async () => {
  database = await startTestDatabase();
  return { postgresUrl: database.url };
});

it('say so when their store cannot be reached', async () => {
  const postgresUrl = 'postgres://nobody@127.0.0.1:9/none';
  const jobs = openJobs({ postgresUrl, log: silentLogger, clock: systemClock });
  await expect(jobs.start()).rejects.toMatchObject({ code: 'JOBS.UNAVAILABLE', retryable: true });
  expect(await jobs.answers()).toBe(false);
  await jobs.close();
  const onRedis = openJobs({ redisUrl: 'redis://127.0.0.1:9', postgresUrl, log: silentLogger, clock: systemClock });
  await expect(onRedis.start()).rejects.toMatchObject({ code: 'JOBS.UNAVAILABLE' });
});
