import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { LauncherAnswer, LauncherRequest } from './command-launcher.js';
import type { ProgramCall, ProgramEnd } from './run-program.js';

const script = fileURLToPath(new URL('../../dist/actions/command-launcher.js', import.meta.url));

/** What became of a call: `lost` when the launcher died, and with it the knowledge of how the program ended. */
export type LaunchEnd = ProgramEnd | { readonly kind: 'lost' };

interface Launcher {
  readonly process: ChildProcess;
  readonly calls: Map<number, (end: LaunchEnd) => void>;
}

/** The agent's end of the launcher: starts it, and another one when it has died. */
export class ProgramLauncher {
  #launcher: Launcher;
  #nextId = 1;

  /** Starts it at once: while the agent is still small. */
  constructor() {
    this.#launcher = launch();
  }

  /** Runs a program. Never rejects. */
  run(call: ProgramCall, signal: AbortSignal): Promise<LaunchEnd> {
    if (!this.#launcher.process.connected) this.#launcher = launch();
    const { process, calls } = this.#launcher;
    const id = this.#nextId;
    this.#nextId += 1;
    const abort = (): void => send(process, { kind: 'abort', id });
    const ended = new Promise<LaunchEnd>((resolve) => calls.set(id, resolve));
    signal.addEventListener('abort', abort, { once: true });
    send(process, { kind: 'run', id, call });
    return ended.finally(() => {
      calls.delete(id);
      signal.removeEventListener('abort', abort);
    });
  }

  /** Ends it. Whatever still runs ends within its own time. */
  close(): void {
    const { process } = this.#launcher;
    if (process.connected) process.disconnect();
  }
}

function launch(): Launcher {
  const calls: Launcher['calls'] = new Map();
  const child = fork(script, [], { env: {}, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  child.on('message', ({ id, end }: LauncherAnswer) => calls.get(id)?.(end));
  child.on('error', () => undefined);
  // Also told when it could not be started.
  for (const event of ['disconnect', 'exit', 'error'] as const) {
    child.on(event, () => {
      for (const resolve of calls.values()) resolve({ kind: 'lost' });
    });
  }
  return { process: child, calls };
}

function send(child: ChildProcess, request: LauncherRequest): void {
  // When it cannot be sent, the launcher is gone: its end tells.
  if (child.connected) child.send(request, () => undefined);
}
