import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** A program to be run. */
export interface ProgramCall {
  /** Absolute path. */
  readonly program: string;
  readonly arguments: readonly string[];
  /** All of its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** What it reads on its standard input. */
  readonly input: string;
  readonly timeoutMs: number;
}

/** How a program ended. */
export type ProgramEnd =
  /** The exit code is null when a signal has ended it. */
  | { readonly kind: 'exited'; readonly exitCode: number | null }
  /** With the system's code for why. */
  | { readonly kind: 'not-started'; readonly reason: string }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'aborted' };

/** From asking to end, so that a program can leave its relay as it should be, to ending it. */
const GRACE_MS = 500;

/**
 * Runs a program without a shell, in a process group of its own, so that what it starts can be ended with it. What it
 * writes goes nowhere. Never rejects.
 */
export async function runProgram(call: ProgramCall, signal: AbortSignal): Promise<ProgramEnd> {
  const child = start(call);
  if (typeof child === 'string') return { kind: 'not-started', reason: child };
  const exited = exitOf(child);
  const over = new AbortController();
  const timeout = delay(call.timeoutMs, undefined, { signal: AbortSignal.any([signal, over.signal]) });
  const exit = await Promise.race([exited, timeout.catch(() => undefined)]);
  over.abort();
  if (exit) return exit;
  signalGroup(child, 'SIGTERM');
  const gone = new AbortController();
  await Promise.race([exited, delay(GRACE_MS, undefined, { signal: gone.signal }).catch(() => undefined)]);
  gone.abort();
  signalGroup(child, 'SIGKILL');
  await exited;
  return { kind: signal.aborted ? 'aborted' : 'timed-out' };
}

/** @returns the system's code when it cannot be started; more of these are told by the child */
function start({ program, arguments: args, environment: env, input }: ProgramCall): ChildProcess | string {
  try {
    const options: SpawnOptions = { env, cwd: '/', shell: false, detached: true, stdio: ['pipe', 'ignore', 'ignore'] };
    const child = spawn(program, args, options);
    // It may end without having read anything.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
    return child;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
  }
}

function exitOf(child: ChildProcess): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    child.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resolve({ kind: 'not-started', reason: code ?? 'UNKNOWN' });
    });
    child.once('exit', (exitCode) => resolve({ kind: 'exited', exitCode }));
  });
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // All of it has ended.
  }
}
