import { spawn, type ChildProcess } from 'node:child_process';

import { AppError, type Clock } from '@sightline/kernel';

import { fillPlaceholders, type ActionEvent } from './action-event.js';
import { notReceived, type Attempt, type Performer } from './performer.js';

/** A command with its secrets. */
export interface CommandOptions {
  /** Absolute path. */
  readonly program: string;
  /** May have placeholders. */
  readonly arguments: readonly string[];
  /** All of its environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

interface Exit {
  readonly code: number | null;
  /** Code of the system when it could not be started. */
  readonly failure?: string | undefined;
}

/** From asking to end, so that a program can leave its relay as it should be, to ending it. */
const GRACE_MS = 500;
/** Of processes, files or memory: may pass. */
const SCARCITY: ReadonlySet<string> = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * Starts a program for each event, without a shell. It gets the event as JSON on its standard input. What it
 * writes is read, so that it never waits for that, and forgotten.
 *
 * It does not die with the agent, unlike FFmpeg: half-way through it may have left a door open.
 */
export class Command implements Performer {
  readonly #options: CommandOptions;

  constructor(options: CommandOptions) {
    this.#options = options;
  }

  /**
   * @throws AppError `ACTION.NOT_STARTED` (there is no such program, or it may not be started), `ACTION.REFUSED` (its
   *   exit code is not 0), `ACTION.TIMED_OUT`, `ACTION.ABORTED`
   */
  async perform({ event, signal }: Attempt): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    const { child, exited } = start(this.#options, event());
    const over = new AbortController();
    const timeout = clock.sleep(timeoutMs, AbortSignal.any([signal, over.signal])).catch(() => undefined);
    const exit = await Promise.race([exited, timeout]);
    over.abort();
    if (exit) {
      judge(exit);
      return;
    }
    await this.#end(child, exited);
    if (signal.aborted) throw new AppError('ACTION.ABORTED', 'The agent has ended.');
    throw new AppError('ACTION.TIMED_OUT', 'The command took too long and was ended.');
  }

  async close(): Promise<void> {
    // Nothing stays open between events.
  }

  async #end(child: ChildProcess, exited: Promise<Exit>): Promise<void> {
    const gone = new AbortController();
    signalGroup(child, 'SIGTERM');
    const grace = this.#options.clock.sleep(GRACE_MS, gone.signal).catch(() => undefined);
    await Promise.race([exited, grace]);
    gone.abort();
    signalGroup(child, 'SIGKILL');
    await exited;
  }
}

function start(
  { program, arguments: texts, environment: env }: CommandOptions,
  event: ActionEvent,
): { readonly child: ChildProcess; readonly exited: Promise<Exit> } {
  const args = texts.map((text) => fillPlaceholders(text, event));
  const child = spawnGroup(program, args, env);
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on('error', () => undefined);
  child.stdout?.resume();
  child.stderr?.resume();
  child.stdin?.end(JSON.stringify(event));
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resolve({ code: null, failure: code });
    });
    child.once('exit', (code) => resolve({ code }));
  });
  return { child, exited };
}

/** In a group of its own, so that what it starts ends with it. */
function spawnGroup(program: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  try {
    return spawn(program, args, { env, cwd: '/', shell: false, detached: true, stdio: 'pipe' });
  } catch {
    throw new AppError('ACTION.NOT_STARTED', 'The command could not be started.');
  }
}

function judge({ code, failure }: Exit): void {
  if (failure !== undefined) {
    if (SCARCITY.has(failure)) throw notReceived('ACTION.NOT_STARTED', 'The system starts no more processes.');
    throw new AppError('ACTION.NOT_STARTED', 'The command could not be started.', { details: { failure } });
  }
  if (code !== 0) {
    const details = code === null ? {} : { exitCode: code };
    throw new AppError('ACTION.REFUSED', 'The command did not end with a success.', { details });
  }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // All of it has ended.
  }
}
