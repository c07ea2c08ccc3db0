import { readFile, writeFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';

import { errorMessage, isAppError } from '@sightline/kernel';

import { makeVariant } from './make-variant.js';
import { modelWorkSchema, type WorkMessage } from './work-protocol.js';

// The program of the process that works on models: what it reads may be anything, and what it runs may take any time
// and memory. Started by `runModelWork` with its bound of memory; ends after one piece of work, or with its parent.
const [memoryBytes] = process.argv.slice(2);
const watch = new Worker(new URL('./memory-watch.js', import.meta.url), {
  workerData: { memoryBytes: Number(memoryBytes) },
});
watch.unref();
process.on('disconnect', () => process.exit(1));

const send = (message: WorkMessage): Promise<void> =>
  new Promise((resolve) => {
    process.send?.(message, () => resolve());
  });

process.once('message', (message) => {
  void work(message)
    .catch((error: unknown): WorkMessage => {
      const known = isAppError(error);
      const code = known ? error.code : 'SERVICE.INTERNAL';
      return { type: 'failed', code, message: errorMessage(error), retryable: known && error.retryable };
    })
    .then(send)
    .then(() => process.exit(0));
});

async function work(message: unknown): Promise<WorkMessage> {
  const request = modelWorkSchema.parse(message);
  const source = await readFile(request.source);
  const { bytes, report } = await makeVariant(source, request, (step, progress) => {
    void send({ type: 'progress', step, progress });
  });
  await writeFile(request.output, bytes, { flush: true });
  return { type: 'done', report };
}
