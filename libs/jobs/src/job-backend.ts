import type { JobsOptions, Processor, RepeatOptions, WorkerOptions } from 'bullmq';

import type { JobData } from './job-kind.js';

/** What is used of BullMQ's queue. */
export interface JobQueue {
  add(name: string, data: JobData, options: JobsOptions): Promise<unknown>;
  upsertJobScheduler(
    id: string,
    repeat: Omit<RepeatOptions, 'key'>,
    template: { readonly name: string; readonly data: JobData; readonly opts: JobsOptions },
  ): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}

/** What is used of BullMQ's worker. */
export interface JobWorker {
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'lockRenewalFailed', listener: (jobIds: string[]) => void): unknown;
  cancelJob(jobId: string, reason?: string): boolean;
  pause(): Promise<void>;
  close(force?: boolean): Promise<void>;
}

export type JobProcessor = Processor<unknown, void>;
export type JobWorkerOptions = Omit<WorkerOptions, 'connection'>;

/** Where queues lie. Its queues and workers are closed before it is. */
export interface JobBackend {
  queue(name: string): JobQueue;
  worker(name: string, processor: JobProcessor, options: JobWorkerOptions): JobWorker;
  /** Whether it answers now. */
  answers(): Promise<boolean>;
  /** Called whenever the connection is new: what the store held before may be gone. */
  onReconnected(listener: () => void): void;
  close(): Promise<void>;
}
