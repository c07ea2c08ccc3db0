import { fork, type ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';

import { AppError, backoffMs, systemClock, type Clock, type Logger } from '@sightline/kernel';

export interface SupervisedProcessOptions {
  readonly name: string;
  /** The JavaScript file to run. */
  readonly modulePath: string;
  readonly args: readonly string[];
  /** Receives the child's standard output and error, appended. */
  readonly logFile: string;
  readonly log: Logger;
  readonly clock?: Clock;
  /** How long a stop may take before the child is killed, ms. */
  readonly stopTimeoutMs?: number;
}

/** After so long without a crash the next restart is immediate again, ms. */
const HEALTHY_AFTER_MS = 5_000;

/**
 * A child process that is started again whenever it dies by itself, with backoff, until it is stopped or
 * ends with code 0.
 */
export class SupervisedProcess {
  readonly #options: Required<SupervisedProcessOptions>;
  readonly #output: WriteStream;
  readonly #messageListeners: ((message: unknown) => void)[] = [];
  readonly #crashListeners: (() => void)[] = [];
  #child: ChildProcess | undefined;
  #running: Promise<void> | undefined;
  readonly #stopping = new AbortController();
  #restarts = 0;

  constructor(options: SupervisedProcessOptions) {
    this.#options = { clock: systemClock, stopTimeoutMs: 20_000, ...options };
    this.#output = createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
  }

  /** How often the child was started again after a crash. */
  get restarts(): number {
    return this.#restarts;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#messageListeners.push(listener);
  }

  /** Called after the child ended unexpectedly, before it is started again. */
  onCrash(listener: () => void): void {
    this.#crashListeners.push(listener);
  }

  start(): void {
    this.#running ??= this.#supervise();
  }

  /** Resolves when the child has ended with code 0 or was stopped; rejects when it cannot be started. */
  async ended(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child && isRunning(child)) {
      child.kill('SIGTERM');
      const kill = setTimeout(() => {
        this.#options.log.warn({ process: this.#options.name }, 'did not stop in time and is killed');
        child.kill('SIGKILL');
      }, this.#options.stopTimeoutMs);
      await once(child, 'exit');
      clearTimeout(kill);
    }
    await this.#running?.catch(() => undefined);
    this.#output.end();
  }

  async #supervise(): Promise<void> {
    const { clock, log, name } = this.#options;
    const stopping = this.#stopping.signal;
    const isStopping = (): boolean => stopping.aborted;
    let failures = 0;
    while (!isStopping()) {
      const startedAt = clock.monotonicMs();
      const { code, signal } = await this.#runOnce();
      if (code === 0 || isStopping()) return;
      failures = clock.monotonicMs() - startedAt > HEALTHY_AFTER_MS ? 0 : failures + 1;
      log.warn({ process: name, code, signal, failures }, 'ended unexpectedly and is started again');
      this.#restarts += 1;
      for (const listener of this.#crashListeners) listener();
      await clock.sleep(backoffMs(failures, { baseMs: 100, capMs: 5_000 }), stopping).catch(() => undefined);
    }
  }

  async #runOnce(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const { modulePath, args, name } = this.#options;
    const child = fork(modulePath, [...args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#child = child;
    child.stdout?.pipe(this.#output, { end: false });
    child.stderr?.pipe(this.#output, { end: false });
    child.on('message', (message) => {
      for (const listener of this.#messageListeners) listener(message);
    });
    return new Promise((resolve, reject) => {
      child.once('exit', (code, signal) => {
        resolve({ code, signal });
      });
      child.once('error', (cause) => {
        reject(new AppError('STANDALONE.PROCESS_FAILED', `The ${name} could not be started.`, { cause }));
      });
    });
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
