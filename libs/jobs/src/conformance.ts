import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { AppError, silentLogger, systemClock } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openJobs } from './open-jobs.js';
import { defineJob, defineTrigger, type JobKind } from './job-kind.js';
import type { JobRun, Jobs } from './jobs.js';

/** Where queues lie, as `openJobs` wants to know it. */
export interface JobStore {
  readonly redisUrl?: string;
  readonly postgresUrl: string;
}

type NumberJob = Readonly<Record<'number', number>>;

const numberJob = (name: string): JobKind<NumberJob> =>
  defineJob(name, (data) => {
    const { number } = data as Partial<NumberJob>;
    if (typeof number !== 'number') throw new AppError('REQUEST.INVALID', 'A job without its number.');
    return { number };
  });

/** Short, so that a test does not wait for long until a dead process is given up. */
const LOCK_MS = 1000;

function open(store: JobStore): Jobs {
  return openJobs({ ...store, log: silentLogger, clock: systemClock, lockMs: LOCK_MS, closeMs: 500 });
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const untilAborted = ({ signal }: Pick<JobRun<NumberJob>, 'signal'>): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));

/**
 * The tests that jobs pass on every store: call it inside a test file.
 *
 * @param openStore an empty one; called once
 */
export function jobsConformance(openStore: () => Promise<JobStore>): void {
  describe('jobs', () => {
    let store: JobStore;
    const started: Jobs[] = [];
    const start = async (prepare: (jobs: Jobs) => void): Promise<Jobs> => {
      const jobs = open(store);
      started.push(jobs);
      prepare(jobs);
      await jobs.start();
      return jobs;
    };
    beforeAll(async () => {
      store = await openStore();
    });
    afterAll(() => Promise.all(started.map((jobs) => jobs.close())));
    running(start);
    pacing(start);
    failing(start);
    giving(start);
    it('need one handler for each kind', async () => {
      const twice = open(store);
      twice.handle(numberJob('twice'), () => Promise.resolve());
      expect(() => twice.handle(numberJob('twice'), () => Promise.resolve())).toThrow(/twice/);
      const none = open(store);
      none.schedule(defineTrigger('nobody'), { everyMs: 1000 });
      await expect(none.start()).rejects.toMatchObject({ code: 'JOBS.NO_HANDLER' });
      await expect(none.enqueue(numberJob('nobody'), { number: 1 })).rejects.toMatchObject({ code: 'JOBS.NO_HANDLER' });
      await none.close();
    });
    it('of a process that is killed are done by another', async () => {
      const kind = numberJob('doomed');
      const child = spawn(process.execPath, [new URL('../dist/testing/doomed-worker.js', import.meta.url).pathname], {
        env: { ...process.env, JOB_STORE: JSON.stringify(store), JOB_LOCK_MS: String(LOCK_MS) },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      // It has begun with the job.
      await once(child.stdout, 'data');
      child.kill('SIGKILL');
      await once(child, 'exit');
      const done: number[] = [];
      await start((jobs) => jobs.handle(kind, async ({ data }) => void done.push(data.number)));
      await until(() => done.length > 0, 'done by another');
      expect(done).toEqual([7]);
    });
  });
}

type Start = (prepare: (jobs: Jobs) => void) => Promise<Jobs>;

function running(start: Start): void {
  it('run in some process, at once, with what they were given', async () => {
    const kind = numberJob('plain');
    const done: number[] = [];
    const handle = (jobs: Jobs): void => jobs.handle(kind, async ({ data }) => void done.push(data.number));
    const [one, two] = await Promise.all([start(handle), start(handle)]);
    expect(await one.answers()).toBe(true);
    for (let number = 0; number < 20; number += 1) expect(await two.enqueue(kind, { number })).toBe(true);
    await until(() => done.length === 20, '20 jobs done');
    expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, number) => number));
    const succeeded = [...one.activity(), ...two.activity()].reduce((sum, { succeeded: count }) => sum + count, 0);
    expect(succeeded).toBe(20);
  });

  it('of one id are there once, until they are done', async () => {
    const kind = numberJob('by-id');
    const done: number[] = [];
    let pass: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (pass = resolve));
    const jobs = await start((opened) =>
      opened.handle(kind, async ({ data }) => {
        await gate;
        done.push(data.number);
      }),
    );
    await jobs.enqueue(kind, { number: 1 }, { id: 'same' });
    await jobs.enqueue(kind, { number: 2 }, { id: 'same' });
    pass();
    await until(() => done.length === 1 && jobs.activity()[0]?.running === 0, 'the first done');
    await jobs.enqueue(kind, { number: 3 }, { id: 'other' });
    await until(() => done.length === 2, 'the other done');
    await jobs.enqueue(kind, { number: 4 }, { id: 'same' });
    await until(() => done.length === 3, 'the same again');
    expect(done).toEqual([1, 3, 4]);
  });
}

function pacing(start: Start): void {
  it('run no sooner than asked, and as many at once as allowed', async () => {
    const kind = numberJob('paced');
    const begunAt: number[] = [];
    let [now, most] = [0, 0];
    const jobs = await start((opened) =>
      opened.handle(
        kind,
        async () => {
          begunAt.push(performance.now());
          most = Math.max(most, (now += 1));
          await new Promise((resolve) => setTimeout(resolve, 20));
          now -= 1;
        },
        { concurrency: 2 },
      ),
    );
    const askedAt = performance.now();
    for (let number = 0; number < 6; number += 1) await jobs.enqueue(kind, { number }, { delayMs: 200 });
    await until(() => begunAt.length === 6, 'six begun');
    expect(most).toBe(2);
    expect(Math.min(...begunAt) - askedAt).toBeGreaterThan(190);
  });

  it('run by schedule, once at each time, whatever the number of processes', async () => {
    const kind = defineTrigger('scheduled');
    const runs: number[] = [];
    const handle = (jobs: Jobs): void => {
      jobs.handle(kind, async () => void runs.push(performance.now()));
      jobs.schedule(kind, { everyMs: 250 });
    };
    const several = await Promise.all([start(handle), start(handle)]);
    const begunAt = performance.now();
    await until(() => runs.length >= 4, 'four runs');
    const tookMs = performance.now() - begunAt;
    await Promise.all(several.map((jobs) => jobs.close()));
    expect(runs.length).toBeLessThanOrEqual(Math.ceil(tookMs / 250) + 2);
  });
}

function failing(start: Start): void {
  it('that fail are tried again, unless that is of no use', async () => {
    const kind = numberJob('failing');
    const attempts: (readonly [number, number])[] = [];
    const jobs = await start((opened) =>
      opened.handle(
        kind,
        ({ data: { number }, attempt }) => {
          attempts.push([number, attempt]);
          if (number === 2) throw new AppError('REQUEST.INVALID', 'It will never do.');
          return attempt < 2 ? Promise.reject(new Error('not yet')) : Promise.resolve();
        },
        { attempts: 3 },
      ),
    );
    await jobs.enqueue(kind, { number: 2 }, { id: 'given-up' });
    await jobs.enqueue(kind, { number: 1 });
    await until(() => attempts.length >= 3, 'a second attempt');
    expect(attempts.toSorted(([a], [b]) => a - b)).toEqual([
      [1, 1],
      [1, 2],
      [2, 1],
    ]);
    // Its id is free again.
    await jobs.enqueue(kind, { number: 2 }, { id: 'given-up' });
    await until(() => attempts.length === 4, 'the id used again');
    expect(jobs.activity()).toMatchObject([{ kind: 'failing', failed: 3 }]);
  });
}

function giving(start: Start): void {
  it('that run when their process stops are given back, at once if they heed the signal', async () => {
    const kind = numberJob('given-back');
    let begun = 0;
    const first = await start((opened) =>
      opened.handle(kind, (run) => {
        begun += 1;
        return untilAborted(run);
      }),
    );
    await first.enqueue(kind, { number: 5 });
    await until(() => begun === 1, 'begun');
    await first.close();
    const done: (readonly [number, number])[] = [];
    await start((opened) => opened.handle(kind, async ({ data, attempt }) => void done.push([data.number, attempt])));
    await until(() => done.length === 1, 'done by another');
    // A stop is no failure.
    expect(done).toEqual([[5, 1]]);
    expect(await first.enqueue(kind, { number: 6 })).toBe(false);
  });
}
