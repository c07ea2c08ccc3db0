import { parentPort, workerData } from 'node:worker_threads';

import {
  Transferring,
  toErrorMessage,
  type CallMessage,
  type WorkerCalls,
  type WorkerMessage,
} from './worker-protocol.js';

/**
 * The worker's side of a {@link WorkerPool}: the only statement of a worker module.
 *
 * @param prepare makes the calls from the pool's `workerData`; what it throws makes the worker unusable
 *   and reaches whoever starts the pool
 */
export function serveWorker<Calls extends WorkerCalls<Calls>>(
  prepare: (workerData: unknown) => Calls | Promise<Calls>,
): void {
  const port = parentPort;
  if (port === null) throw new Error('serveWorker runs in a worker thread alone');
  const post = (message: WorkerMessage, buffers: Transferring<unknown>['buffers'] = []): void =>
    port.postMessage(message, buffers);

  const answer = async (calls: Calls, { call, name, request }: CallMessage): Promise<void> => {
    try {
      if (!Object.hasOwn(calls, name)) throw new Error(`the worker has no call ${name}`);
      const result = await calls[name as keyof Calls](request as never);
      if (result instanceof Transferring) post({ kind: 'answer', call, value: result.value }, result.buffers);
      else post({ kind: 'answer', call, value: result });
    } catch (error) {
      post({ kind: 'failure', call, error: toErrorMessage(error) });
    }
  };

  void (async () => {
    try {
      const calls = await prepare(workerData);
      port.on('message', (message: CallMessage) => void answer(calls, message));
      post({ kind: 'ready' });
    } catch (error) {
      post({ kind: 'unusable', error: toErrorMessage(error) });
    }
  })();
}
