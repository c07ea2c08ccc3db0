// A process that takes a job, says so, and waits to be killed. For the conformance suite.
import { writeSync } from 'node:fs';

import { silentLogger, systemClock } from '@sightline/kernel';

import type { JobStore } from '../conformance.js';
import { defineJob } from '../job-kind.js';
import { openJobs } from '../open-jobs.js';

const store = JSON.parse(process.env.JOB_STORE ?? '') as JobStore;
const jobs = openJobs({ ...store, log: silentLogger, clock: systemClock, lockMs: Number(process.env.JOB_LOCK_MS) });
const kind = defineJob('doomed', (data) => data as { readonly number: number });
jobs.handle(kind, () => {
  writeSync(1, 'begun');
  return new Promise<void>(() => undefined);
});
await jobs.start();
await jobs.enqueue(kind, { number: 7 });
