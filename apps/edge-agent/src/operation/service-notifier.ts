import { spawn } from 'node:child_process';

import { errorMessage, type Logger } from '@sightline/kernel';

/** What a service tells the manager that started it. */
export interface ServiceNotifier {
  /** A sign of life is expected at least so often, ms; undefined when nobody watches. */
  readonly watchdogMs: number | undefined;
  notify(state: 'ready' | 'alive' | 'stopping', status?: string): void;
}

const STATES = { ready: 'READY=1', alive: 'WATCHDOG=1', stopping: 'STOPPING=1' } as const;

/** Runs a program; the error when it could not. */
export type RunProgram = (program: string, args: readonly string[], done: (error: unknown) => void) => void;

const runProgram: RunProgram = (program, args, done) => {
  const child = spawn(program, [...args], { stdio: 'ignore' });
  child.once('error', done);
  child.once('exit', (code) => done(code === 0 ? undefined : new Error(`exit code ${code}`)));
};

/**
 * Speaks to systemd (sd_notify(3)) where the environment has a socket of it, and else to nobody. Node opens no datagram
 * sockets of the file system, so systemd's own program `systemd-notify` sends the message: one short child for each,
 * a few a minute. The unit wants `NotifyAccess=all` for that. Failures are told once and otherwise ignored: whoever
 * cannot be told cannot be helped.
 */
export function serviceNotifier(
  environment: NodeJS.ProcessEnv,
  { log, pid = process.pid, run = runProgram }: { log: Logger; pid?: number; run?: RunProgram },
): ServiceNotifier {
  if (!environment.NOTIFY_SOCKET) return { watchdogMs: undefined, notify: () => undefined };
  let hasFailed = false;
  const done = (error: unknown): void => {
    if (error === undefined || hasFailed) return;
    hasFailed = true;
    log.warn({ code: 'AGENT.NOTIFY_FAILED', cause: errorMessage(error) }, 'the service manager cannot be told');
  };
  return {
    watchdogMs: watchdogMs(environment, pid),
    notify: (state, status) => {
      run('systemd-notify', [STATES[state], ...(status === undefined ? [] : [`STATUS=${status}`])], done);
    },
  };
}

/** sd_watchdog_enabled(3): meant for the process of WATCHDOG_PID alone, where that is said. */
function watchdogMs({ WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv, pid: number): number | undefined {
  const microseconds = Number(WATCHDOG_USEC ?? Number.NaN);
  if (!(microseconds > 0) || (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== pid)) return undefined;
  return microseconds / 1000;
}
