import { AppError, errorMessage } from '@sightline/kernel';
import { Worker, type Transferable } from 'node:worker_threads';

import { deferred, type Deferred } from './deferred.js';
import { toAppError, type CallMessage, type WorkerMessage } from './worker-protocol.js';

/** A worker that died while it was asked for something: the same call may succeed on its successor. */
function crashed(name: string, cause: unknown): AppError {
  return new AppError('WORKER.CRASHED', `The ${name} worker ended unexpectedly: ${errorMessage(cause)}.`, {
    retryable: true,
    cause,
  });
}

/**
 * One worker thread from spawn to end. Its constructor spawns; a slot that has died never lives again,
 * so that no state is left over from before a crash.
 */
export class WorkerSlot {
  /** Resolves once the worker serves calls; rejects with why it cannot. */
  readonly ready: Promise<unknown>;
  /** Resolves when the thread has ended, for whatever reason. */
  readonly ended: Promise<unknown>;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Deferred<unknown>>();
  #nextCall = 1;
  #alive = true;

  constructor(name: string, module: URL, workerData: unknown) {
    const started = deferred<undefined>();
    const ended = deferred<undefined>();
    this.ready = started.promise;
    this.ready.catch(() => undefined); // the pool looks at it when it next needs a worker
    this.ended = ended.promise;
    this.#worker = new Worker(module, { workerData, name });
    let fault: unknown;
    this.#worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'ready') started.resolve(undefined);
      else if (message.kind === 'unusable') started.reject(toAppError(message.error));
      else this.#settle(message);
    });
    this.#worker.on('error', (error) => {
      fault = error;
    });
    this.#worker.on('exit', (code) => {
      this.#alive = false;
      const error = crashed(name, fault ?? `exit code ${code}`);
      started.reject(error);
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
      ended.resolve(undefined);
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Asks the worker; the caller sees to it that it is ready. */
  call(name: string, request: unknown, transfer: readonly Transferable[] = []): Promise<unknown> {
    const call = this.#nextCall++;
    const answer = deferred<unknown>();
    this.#worker.postMessage({ call, name, request } satisfies CallMessage, transfer);
    this.#pending.set(call, answer);
    return answer.promise;
  }

  /** Ends the thread. Only between calls: native code must not be torn down while it runs. */
  async end(): Promise<void> {
    await this.#worker.terminate();
    await this.ended;
  }

  #settle(message: Extract<WorkerMessage, { readonly call: number }>): void {
    const pending = this.#pending.get(message.call);
    if (pending === undefined) return;
    this.#pending.delete(message.call);
    if (message.kind === 'answer') pending.resolve(message.value);
    else pending.reject(toAppError(message.error));
  }
}
