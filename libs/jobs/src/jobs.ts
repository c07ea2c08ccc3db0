import type { Clock, Logger } from '@sightline/kernel';

import type { JobData, JobKind, NoData } from './job-kind.js';

/** One run of a job. */
export interface JobRun<Data extends JobData> {
  readonly data: Data;
  /** Fires when the process stops, or has lost the job to another: stop at the next safe point by throwing its reason. */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly attempt: number;
}

/** Does the work. A job may run twice, at the same time even: what it does must come to the same in effect. */
export type JobHandler<Data extends JobData> = (run: JobRun<Data>) => Promise<void>;

export interface HandlerOptions {
  /** Jobs of this kind that this process runs at once. Default: 1. */
  readonly concurrency?: number;
  /** Runs in all before a job is given up; an AppError that is not retryable ends it at once. Default: 5. */
  readonly attempts?: number;
}

export interface EnqueueOptions {
  /** While a job of this kind with this id waits or runs, another is not added. Not a whole number, and without `:`. */
  readonly id?: string;
  readonly delayMs?: number;
}

/** When scheduled jobs run: at an interval, or by a cron expression of five fields (UTC). */
export type Schedule = { readonly everyMs: number } | { readonly cron: string };

export interface JobActivity {
  readonly kind: string;
  readonly running: number;
  /** Since the process started. */
  readonly succeeded: number;
  /** Runs that failed since the process started, each attempt counted. */
  readonly failed: number;
}

/**
 * Work that outlives a request. A job is only a trigger: what is to be done, and how far it is, lies in PostgreSQL, and
 * a scheduled job enqueues again what was lost. Order: handlers and schedules, then `start`.
 */
export interface Jobs {
  /** @throws AppError `JOBS.DUPLICATE_HANDLER` */
  handle<Data extends JobData>(kind: JobKind<Data>, handler: JobHandler<Data>, options?: HandlerOptions): void;

  /** Lets a handled kind run by schedule: once at each time, whatever the number of processes. */
  schedule(kind: JobKind<NoData>, when: Schedule): void;

  /**
   * Adds a job; somebody runs it soon, this process or another.
   *
   * @returns false when the queue cannot be reached (logged): then the job's reconciler finds the work
   * @throws AppError `JOBS.NO_HANDLER`
   */
  enqueue<Data extends JobData>(kind: JobKind<Data>, data: Data, options?: EnqueueOptions): Promise<boolean>;

  /** @throws AppError `JOBS.NO_HANDLER` when a scheduled kind has none, `JOBS.UNAVAILABLE`, `JOBS.REDIS_MAY_EVICT` */
  start(): Promise<void>;

  /** Whether the queue answers now. */
  answers(): Promise<boolean>;

  activity(): readonly JobActivity[];

  /** Lets jobs that run end, gives back to the queue what does not end in time. Safe to call twice. */
  close(): Promise<void>;
}

export interface JobsOptions {
  /** Redis that runs `noeviction`. */
  readonly redisUrl?: string | undefined;
  /** PostgreSQL (13 or newer), used when there is no Redis. */
  readonly postgresUrl: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** A job whose process has not been heard of for so long is run by another, ms. Default: 10,000. */
  readonly lockMs?: number;
  /** How long `close` waits for running jobs, ms. Default: 10,000. */
  readonly closeMs?: number;
}
