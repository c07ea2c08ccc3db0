import { fork } from 'node:child_process';

import { AppError } from '@sightline/kernel';

import { workMessageSchema, type ModelWork, type WorkLimits, type WorkMessage } from './work-protocol.js';

export interface ModelWorkOptions extends WorkLimits {
  readonly signal?: AbortSignal;
  readonly onProgress?: (step: string, progress: number) => void;
}

type Ending = Exclude<WorkMessage, { readonly type: 'progress' }>;

/**
 * Works on a model in a process of its own, which ends with it, whatever the file is: neither its memory nor its time is
 * this one's.
 *
 * @returns the report; the file lies at `work.output` then
 * @throws AppError `MODEL.WORK_EXCEEDED` for one that took more than it may; what the work throws (`MODEL.INVALID`,
 *   `MODEL.UNSUPPORTED`, `MODEL.NOT_EQUIVALENT`, `MODEL.SOURCE_UNAVAILABLE` …); the signal's reason once it is aborted
 */
export async function runModelWork(
  work: ModelWork,
  { memoryBytes, deadlineMs, signal, onProgress }: ModelWorkOptions,
): Promise<Readonly<Record<string, unknown>>> {
  signal?.throwIfAborted();
  const child = fork(new URL('../../dist/optimisation/work-child.js', import.meta.url), [String(memoryBytes)], {
    // No credentials, nothing of the network's but where npm finds its configuration.
    env: inheritedEnvironment(),
    execArgv: [`--max-old-space-size=${Math.floor(memoryBytes / 2 ** 20)}`],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  let ending: Ending | undefined;
  let isLate = false;
  const abort = (): void => void child.kill('SIGKILL');
  const late = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, deadlineMs);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    child.on('message', (received) => {
      const message = workMessageSchema.parse(received);
      if (message.type === 'progress') onProgress?.(message.step, message.progress);
      else ending = message;
    });
    const exited = new Promise<string>((resolve) => {
      child.on('exit', (code, killed) => resolve(killed ?? `code ${String(code)}`));
      child.on('error', (error) => resolve(error.message));
    });
    child.send(work);
    const how = await exited;
    signal?.throwIfAborted();
    return reportOf(ending, how, isLate);
  } finally {
    clearTimeout(late);
    signal?.removeEventListener('abort', abort);
    child.kill('SIGKILL');
  }
}

function reportOf(ending: Ending | undefined, how: string, isLate: boolean): Readonly<Record<string, unknown>> {
  if (ending?.type === 'done') return ending.report;
  if (ending?.type === 'failed') {
    throw new AppError(ending.code, ending.message, { retryable: ending.retryable });
  }
  const sentence = isLate
    ? 'The work on the model took too long.'
    : `The work on the model took too much memory, or its process ended by itself (${how}).`;
  throw new AppError('MODEL.WORK_EXCEEDED', sentence);
}

function inheritedEnvironment(): NodeJS.ProcessEnv {
  const wanted = /^(?:HOME|PATH|TMPDIR|LANG|npm_config_.*|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => wanted.test(name)));
}
