import { AppError, errorMessage, silentLogger, type Logger } from '@sightline/kernel';
import type { Transferable } from 'node:worker_threads';

import { deferred, type Deferred } from './deferred.js';
import type { RequestOf, ResponseOf, WorkerCalls } from './worker-protocol.js';
import { WorkerSlot } from './worker-slot.js';

export interface CallOptions {
  /** Buffers of the request that are moved, not copied: the caller loses them. */
  readonly transfer?: readonly Transferable[];
  readonly signal?: AbortSignal;
}

/** Calls one particular worker, before it serves anybody else. */
export type CallWorker<Calls> = <Name extends keyof Calls & string>(
  name: Name,
  request: RequestOf<Calls[Name]>,
  options?: Pick<CallOptions, 'transfer'>,
) => Promise<ResponseOf<Calls[Name]>>;

export interface WorkerPoolOptions<Calls> {
  /** What the workers do, for logs and errors. */
  readonly name: string;
  /** A built JavaScript module that calls `serveWorker`. */
  readonly module: URL;
  /** Cloned into every worker when it starts; share large bytes through a SharedArrayBuffer. */
  readonly workerData?: unknown;
  /** Number of threads. Default: 1, so that the pool is one stateful worker. */
  readonly size?: number;
  /** Brings a new worker, the first or one after a crash, to the state that calls expect. */
  readonly initialise?: (call: CallWorker<Calls>) => Promise<void>;
  readonly log?: Logger;
}

interface Job {
  readonly name: string;
  readonly request: unknown;
  readonly options: CallOptions;
  readonly answer: Deferred<unknown>;
}

/**
 * Worker threads that serve typed calls, first come, first served. Its constructor does nothing.
 *
 * Invariants: a worker has one call at a time; a call runs on one worker at most once; when a worker dies,
 * its call is rejected with the retryable `WORKER.CRASHED` and a successor takes the next one; a worker that
 * cannot start rejects what waits with its own error, and is tried again at the next call.
 */
export class WorkerPool<Calls extends WorkerCalls<Calls>> {
  readonly #options: WorkerPoolOptions<Calls>;
  readonly #log: Logger;
  readonly #queue: Job[] = [];
  readonly #idle: WorkerSlot[] = [];
  readonly #slots = new Set<WorkerSlot>();
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(options: WorkerPoolOptions<Calls>) {
    this.#options = options;
    this.#log = (options.log ?? silentLogger).child({ worker: options.name });
  }

  /**
   * Starts all workers.
   *
   * @throws what the workers' `prepare` or `initialise` threw; the pool is then closed
   */
  async start(): Promise<void> {
    const starts = Array.from({ length: this.#size }, () => this.#spawn());
    for (const start of starts) this.#track(start);
    try {
      await Promise.all(starts);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * Asks the next free worker.
   *
   * @throws AppError `WORKER.CRASHED` (retryable), `WORKER.CLOSED`, `WORKER.FAILED` (a fault in the worker's
   *   code), or the call's own AppError; the signal's reason once it is aborted. A call that is already
   *   running ends in the background then, and its answer is dropped.
   */
  async call<Name extends keyof Calls & string>(
    name: Name,
    request: RequestOf<Calls[Name]>,
    options: CallOptions = {},
  ): Promise<ResponseOf<Calls[Name]>> {
    options.signal?.throwIfAborted();
    if (this.#closing !== undefined) throw this.#closed();
    const job: Job = { name, request, options, answer: deferred() };
    const abort = (): void => {
      const place = this.#queue.indexOf(job);
      if (place >= 0) this.#queue.splice(place, 1);
      job.answer.reject(options.signal?.reason);
    };
    options.signal?.addEventListener('abort', abort, { once: true });
    this.#queue.push(job);
    this.#dispatch();
    try {
      return (await job.answer.promise) as ResponseOf<Calls[Name]>;
    } finally {
      options.signal?.removeEventListener('abort', abort);
    }
  }

  /**
   * Rejects what waits, lets running calls end, then ends the threads. Safe to call twice. A process that
   * exits without it, while a worker is inside ONNX Runtime, may end by an abort: the binding throws into
   * a thread that is being torn down.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  get #size(): number {
    return this.#options.size ?? 1;
  }

  async #close(): Promise<void> {
    this.#rejectQueue(this.#closed());
    await Promise.allSettled([...this.#slots].map((slot) => slot.ready));
    await Promise.allSettled(this.#running);
    await Promise.all([...this.#slots].map((slot) => slot.end()));
  }

  #closed(): AppError {
    return new AppError('WORKER.CLOSED', `The ${this.#options.name} workers are closed.`);
  }

  #rejectQueue(error: unknown): void {
    for (const job of this.#queue.splice(0)) job.answer.reject(error);
  }

  /** Gives waiting calls to idle workers, and replaces workers that died. */
  #dispatch(): void {
    while (this.#queue.length > 0) {
      const slot = this.#idle.pop();
      if (slot === undefined) break;
      if (!slot.alive) continue;
      const job = this.#queue.shift();
      if (job !== undefined) this.#track(this.#run(slot, job));
    }
    if (this.#queue.length === 0 || this.#closing !== undefined) return;
    while (this.#slots.size < this.#size) {
      this.#track(
        this.#spawn().catch((error: unknown) => {
          if (this.#slots.size === 0) this.#rejectQueue(error);
        }),
      );
    }
  }

  #track(work: Promise<unknown>): void {
    this.#running.add(work);
    const done = (): boolean => this.#running.delete(work);
    work.then(done, done);
  }

  /** Starts one worker and makes it idle once it is initialised. */
  async #spawn(): Promise<void> {
    const { name, module, workerData, initialise } = this.#options;
    const slot = new WorkerSlot(name, module, workerData);
    this.#slots.add(slot);
    void slot.ended.then(() => this.#forget(slot));
    try {
      await slot.ready;
      await initialise?.((call, request, options) => slot.call(call, request, options?.transfer) as never);
    } catch (error) {
      this.#slots.delete(slot);
      await slot.end();
      throw error;
    }
    this.#idle.push(slot);
    this.#dispatch();
  }

  async #run(slot: WorkerSlot, { name, request, options, answer }: Job): Promise<void> {
    try {
      answer.resolve(await slot.call(name, request, options.transfer));
    } catch (error) {
      answer.reject(error);
    }
    if (slot.alive) this.#idle.push(slot);
    this.#dispatch();
  }

  #forget(slot: WorkerSlot): void {
    const place = this.#idle.indexOf(slot);
    if (place >= 0) this.#idle.splice(place, 1);
    const died = this.#slots.delete(slot);
    if (!died || this.#closing !== undefined) return;
    slot.ready.catch((error: unknown) => this.#log.warn({ reason: errorMessage(error) }, 'worker did not start'));
    this.#log.warn({}, 'worker ended unexpectedly; a successor takes the next call');
    this.#dispatch();
  }
}
