import { AppError, errorMessage, isAppError, type Logger } from '@sightline/kernel';
import { UnrecoverableError, WaitingError, type Job, type JobsOptions as BullJobOptions } from 'bullmq';

import type { JobBackend, JobQueue, JobWorker } from './job-backend.js';
import type { JobData, JobKind, NoData } from './job-kind.js';
import type { EnqueueOptions, HandlerOptions, JobActivity, JobHandler, Jobs, JobsOptions, Schedule } from './jobs.js';
import { openPostgresBackend } from './postgres-backend.js';
import { openRedisBackend } from './redis-backend.js';

const LOCK_MS = 10_000;
const CLOSE_MS = 10_000;
const ATTEMPTS = 5;
/** First pause between attempts, ms; each next is twice as long, half of it by chance. */
const RETRY_MS = 1000;
/** Processes that may die over one job before it is given up: one that kills whoever takes it must not go round for ever. */
const DEATHS = 10;
/** An idle worker looks for itself so often, s: jobs that are added wake it anyway. */
const IDLE_SECONDS = 60;

interface Registered {
  readonly kind: JobKind<JobData>;
  readonly handler: JobHandler<JobData>;
  readonly options: HandlerOptions;
  readonly counts: { running: number; succeeded: number; failed: number };
}

interface Running {
  readonly backend: JobBackend;
  readonly queues: ReadonlyMap<string, JobQueue>;
  readonly workers: readonly JobWorker[];
}

/** Jobs on Redis where there is one, and on PostgreSQL otherwise. Does nothing until `start`. */
export function openJobs(options: JobsOptions): Jobs {
  return new BullJobs(options);
}

class BullJobs implements Jobs {
  readonly #options: JobsOptions;
  readonly #log: Logger;
  readonly #registered = new Map<string, Registered>();
  readonly #schedules = new Map<string, Schedule>();
  readonly #closing = new AbortController();
  #running: Running | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: JobsOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  handle<Data extends JobData>(kind: JobKind<Data>, handler: JobHandler<Data>, options: HandlerOptions = {}): void {
    if (this.#registered.has(kind.name)) {
      throw new AppError('JOBS.DUPLICATE_HANDLER', `Two handlers want the jobs of kind ${kind.name}.`);
    }
    this.#registered.set(kind.name, {
      kind,
      // What it is given was read by the kind's own parser.
      handler: (run) => handler({ ...run, data: run.data as Data }),
      options,
      counts: { running: 0, succeeded: 0, failed: 0 },
    });
  }

  schedule(kind: JobKind<NoData>, when: Schedule): void {
    this.#schedules.set(kind.name, when);
  }

  async start(): Promise<void> {
    for (const name of this.#schedules.keys()) this.#handlerOf(name);
    const { redisUrl, postgresUrl } = this.#options;
    const backend =
      redisUrl === undefined
        ? await openPostgresBackend(postgresUrl, { log: this.#log, workers: this.#registered.size })
        : await openRedisBackend(redisUrl, { log: this.#log });
    const kinds = [...this.#registered.values()];
    const queues = new Map(kinds.map(({ kind }) => [kind.name, this.#openQueue(backend, kind.name)]));
    const workers = kinds.map((registered) => this.#openWorker(backend, registered));
    this.#running = { backend, queues, workers };
    await this.#applySchedules(queues);
    // A Redis that came back may have come back empty.
    backend.onReconnected(() => {
      this.#applySchedules(queues).catch((error: unknown) =>
        this.#log.warn({ error: errorMessage(error) }, 'the schedules of jobs could not be renewed'),
      );
    });
  }

  async enqueue<Data extends JobData>(
    kind: JobKind<Data>,
    data: Data,
    { id, delayMs }: EnqueueOptions = {},
  ): Promise<boolean> {
    const { options } = this.#handlerOf(kind.name);
    const queue = this.#running?.queues.get(kind.name);
    if (queue === undefined || this.#closing.signal.aborted) return false;
    const settings = {
      ...jobOptions(options),
      ...(id !== undefined && { jobId: id }),
      ...(delayMs !== undefined && { delay: delayMs }),
    };
    try {
      await queue.add(kind.name, data, settings);
      return true;
    } catch (error) {
      this.#log.warn({ kind: kind.name, error: errorMessage(error) }, 'a job could not be enqueued');
      return false;
    }
  }

  answers(): Promise<boolean> {
    return this.#running === undefined ? Promise.resolve(false) : this.#running.backend.answers();
  }

  activity(): readonly JobActivity[] {
    return [...this.#registered.values()].map(({ kind, counts }) => ({ kind: kind.name, ...counts }));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort(new AppError('SERVICE.UNAVAILABLE', 'The service stops.', { retryable: true }));
    if (this.#running === undefined) return;
    const { backend, queues, workers } = this.#running;
    const bound = new AbortController();
    const { clock, closeMs = CLOSE_MS } = this.#options;
    const late = clock.sleep(closeMs, bound.signal).catch(() => undefined);
    await Promise.race([Promise.all(workers.map((worker) => worker.pause())), late]);
    bound.abort();
    // Whatever still runs keeps its lock until that ends, and is run by another then.
    await Promise.all(workers.map((worker) => worker.close(true)));
    await Promise.all([...queues.values()].map((queue) => queue.close()));
    await backend.close();
  }

  #handlerOf(name: string): Registered {
    const registered = this.#registered.get(name);
    if (registered) return registered;
    throw new AppError('JOBS.NO_HANDLER', `Nobody handles the jobs of kind ${name}.`);
  }

  #openQueue(backend: JobBackend, name: string): JobQueue {
    const queue = backend.queue(name);
    queue.on('error', (error) => this.#report(name, error));
    return queue;
  }

  #openWorker(backend: JobBackend, registered: Registered): JobWorker {
    const { kind, options } = registered;
    const { lockMs = LOCK_MS } = this.#options;
    const worker = backend.worker(
      kind.name,
      // Three parameters: by their number BullMQ decides whether to pass the signal.
      (job, token, signal) => this.#process(registered, job, { token, signal }),
      {
        concurrency: options.concurrency ?? 1,
        lockDuration: lockMs,
        stalledInterval: lockMs / 2,
        maxStalledCount: DEATHS,
        drainDelay: IDLE_SECONDS,
        runRetryDelay: RETRY_MS,
      },
    );
    worker.on('error', (error) => this.#report(kind.name, error));
    worker.on('lockRenewalFailed', (jobIds) => {
      for (const id of jobIds) worker.cancelJob(id, 'another process may have taken the job');
    });
    return worker;
  }

  async #process(
    { kind, handler, counts }: Registered,
    job: Job<unknown>,
    { token, signal }: { readonly token: string | undefined; readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    const closing = this.#closing.signal;
    const attempt = job.attemptsMade + 1;
    counts.running += 1;
    try {
      await handler({
        data: kind.parse(job.data),
        signal: signal === undefined ? closing : AbortSignal.any([closing, signal]),
        attempt,
      });
      counts.succeeded += 1;
    } catch (error) {
      if (closing.aborted) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      counts.failed += 1;
      const code = isAppError(error) ? error.code : undefined;
      this.#log.warn({ kind: kind.name, job: job.id, attempt, code, error: errorMessage(error) }, 'a job failed');
      // The queue keeps what it is thrown; only a code is fit for that.
      const Kept = isAppError(error) && !error.retryable ? UnrecoverableError : Error;
      throw new Kept(code ?? 'SERVICE.INTERNAL');
    } finally {
      counts.running -= 1;
    }
  }

  async #applySchedules(queues: ReadonlyMap<string, JobQueue>): Promise<void> {
    for (const [name, when] of this.#schedules) {
      const repeat = 'everyMs' in when ? { every: when.everyMs } : { pattern: when.cron, tz: 'UTC' };
      const opts = jobOptions(this.#handlerOf(name).options);
      await queues.get(name)?.upsertJobScheduler(name, repeat, { name, data: {}, opts });
    }
  }

  #report(kind: string, error: Error): void {
    if (!this.#closing.signal.aborted) this.#log.warn({ kind, reason: error.message }, 'jobs are held up');
  }
}

/** Nothing is kept of a job that is done or given up: its id is free again, and what came of it is in PostgreSQL. */
function jobOptions({ attempts = ATTEMPTS }: HandlerOptions): BullJobOptions {
  return {
    attempts,
    backoff: { type: 'exponential', delay: RETRY_MS, jitter: 0.5 },
    removeOnComplete: true,
    removeOnFail: true,
    stackTraceLimit: 0,
  };
}
