import { AppError } from '@sightline/kernel';
import { afterEach, expect, test } from 'vitest';

import { WorkerPool, type WorkerPoolOptions } from './worker-pool.js';
import type { Transferring } from './worker-protocol.js';

interface TestCalls {
  add(request: { readonly value: number }): number;
  total(request: null): number;
  fill(request: { readonly length: number }): Transferring<Uint8Array>;
  length(request: Uint8Array): number;
  refuse(request: null): never;
  fault(request: null): never;
  exit(request: null): never;
  meet(arrived: Int32Array): boolean;
  block(request: { readonly ms: number }): number;
}

// A worker needs real JavaScript; a data: URL keeps it beside its test.
const serveWorker = new URL('../dist/index.js', import.meta.url).href;
const kernel = import.meta.resolve('@sightline/kernel');
const module = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { serveWorker, transferring } from ${JSON.stringify(serveWorker)};
    import { AppError } from ${JSON.stringify(kernel)};
    serveWorker((data) => {
      if (data?.refuse) throw new AppError('MODEL.INVALID', 'not today', { details: { part: 'x' } });
      if (data?.exit) process.exit(3);
      let total = data?.start ?? 0;
      return {
        add: ({ value }) => (total += value),
        total: () => total,
        fill: ({ length }) => { const bytes = new Uint8Array(length).fill(7); return transferring(bytes, [bytes.buffer]); },
        length: (bytes) => bytes.length,
        refuse: () => { throw new AppError('TEMPLATE.INVALID', 'zero', { details: { at: 3 } }); },
        fault: () => { throw new TypeError('oops'); },
        exit: () => process.exit(9),
        meet: (arrived) => {
          Atomics.add(arrived, 0, 1);
          Atomics.notify(arrived, 0);
          return Atomics.wait(arrived, 0, 1, 5000) !== 'timed-out';
        },
        block: ({ ms }) => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms); return ms; },
      };
    });
  `)}`,
);

const pools: WorkerPool<TestCalls>[] = [];
function pool(options: Partial<WorkerPoolOptions<TestCalls>> = {}): WorkerPool<TestCalls> {
  const made = new WorkerPool<TestCalls>({ name: 'test', module, ...options });
  pools.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((made) => made.close()));
});

async function codeOf(promise: Promise<unknown>): Promise<[string, boolean]> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof AppError)) throw new Error(`expected an AppError, got ${String(error)}`);
  return [error.code, error.retryable];
}

test('calls are answered in order by one stateful worker', async () => {
  const one = pool({ workerData: { start: 10 } });
  await one.start();
  const answers = await Promise.all([1, 2, 3].map((value) => one.call('add', { value })));
  expect(answers).toEqual([11, 13, 16]);
});

test('a request and an answer can move their buffers', async () => {
  const one = pool();
  expect(await one.call('fill', { length: 4 })).toEqual(new Uint8Array([7, 7, 7, 7]));
  const bytes = new Uint8Array(1000);
  expect(await one.call('length', bytes, { transfer: [bytes.buffer] })).toBe(1000);
  expect(bytes.length).toBe(0);
});

test("a worker's AppError keeps its code and details, another error becomes WORKER.FAILED", async () => {
  const one = pool();
  await expect(one.call('refuse', null)).rejects.toMatchObject({ code: 'TEMPLATE.INVALID', details: { at: 3 } });
  await expect(one.call('fault', null)).rejects.toMatchObject({ code: 'WORKER.FAILED', message: 'oops' });
  expect(await one.call('total', null)).toBe(0);
});

test('a worker that dies fails its own call as retryable, and its successor serves what waits', async () => {
  const one = pool({
    initialise: async (call) => {
      await call('add', { value: 100 });
    },
  });
  await one.start();
  const dying = codeOf(one.call('exit', null));
  const waiting = one.call('add', { value: 1 });
  expect(await dying).toEqual(['WORKER.CRASHED', true]);
  expect(await waiting).toBe(101);
});

test('a worker that dies between calls is replaced', async () => {
  const one = pool();
  expect(await codeOf(one.call('exit', null))).toEqual(['WORKER.CRASHED', true]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await one.call('add', { value: 1 })).toBe(1);
});

test('a worker that cannot start says why, and nothing waits for ever', async () => {
  await expect(pool({ workerData: { refuse: true } }).start()).rejects.toMatchObject({
    code: 'MODEL.INVALID',
    details: { part: 'x' },
  });
  const lazy = pool({ workerData: { exit: true } });
  expect(await codeOf(lazy.call('total', null))).toEqual(['WORKER.CRASHED', true]);
  expect(await codeOf(lazy.call('total', null))).toEqual(['WORKER.CRASHED', true]);
});

test('an aborted call rejects with the reason, whether it waits or runs', async () => {
  const one = pool();
  await one.start();
  const controller = new AbortController();
  const running = one.call('block', { ms: 50 }, { signal: controller.signal });
  const waiting = one.call('add', { value: 5 }, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(running).rejects.toThrow('enough');
  await expect(waiting).rejects.toThrow('enough');
  expect(await one.call('total', null)).toBe(0);
  await expect(one.call('total', null, { signal: controller.signal })).rejects.toThrow('enough');
});

test('several workers run at the same time', async () => {
  const two = pool({ size: 2 });
  await two.start();
  const arrived = new Int32Array(new SharedArrayBuffer(4));
  expect(await Promise.all([two.call('meet', arrived), two.call('meet', arrived)])).toEqual([true, true]);
});

test('closing lets the running call end, rejects the waiting one, and refuses new ones', async () => {
  const one = pool();
  await one.start();
  const running = one.call('block', { ms: 50 });
  const waiting = codeOf(one.call('total', null));
  const closed = one.close();
  expect(await running).toBe(50);
  expect(await waiting).toEqual(['WORKER.CLOSED', false]);
  await closed;
  expect(await codeOf(one.call('total', null))).toEqual(['WORKER.CLOSED', false]);
});
