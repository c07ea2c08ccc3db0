import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const START_TIMEOUT_MS = 5000;

/**
 * Waits until a server that was just spawned accepts connections on a port of the loopback address.
 *
 * @returns false when it has ended: its port was taken
 * @throws Error when it is not installed, or does not come up in time
 */
export async function comesUp(server: ChildProcess, name: string, port: number): Promise<boolean> {
  let failure: Error | undefined;
  server.on('error', (error) => (failure = error));
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    await delay(20);
    if (failure) throw new Error(`${name} cannot be started: is it installed?`, { cause: failure });
    if (server.exitCode !== null) return false;
    if (await isListening(port)) return true;
  }
  server.kill('SIGKILL');
  throw new Error(`${name} did not come up in time`);
}

/** Ends a server with SIGKILL, if it has not ended yet. */
export async function killServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  server.kill('SIGKILL');
  await exited;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
