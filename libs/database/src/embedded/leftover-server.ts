import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { findProcess } from '@sightline/host';
import { AppError, type Clock, type Logger } from '@sightline/kernel';

/** How a server is asked to end: PostgreSQL's "fast" and "immediate" modes, then the kernel's. */
export const stopSteps = [
  { signal: 'SIGINT', patienceMs: 10_000 },
  { signal: 'SIGQUIT', patienceMs: 5_000 },
  { signal: 'SIGKILL', patienceMs: 5_000 },
] as const;

/**
 * Ends the server that a killed supervisor left running on `data`, so that there is never a second one. It is stopped
 * and not adopted: a server of our own has its port, settings and log in our hands. Only a process whose own
 * arguments name this data directory is signalled; a lock file that names anything else is stale and is deleted.
 *
 * @returns whether one was running
 * @throws AppError `DATABASE.EMBEDDED_FAILED` when it does not end
 */
export async function stopLeftoverServer(data: string, clock: Clock, log: Logger): Promise<boolean> {
  const lockFile = join(data, 'postmaster.pid');
  const content = await readFile(lockFile, 'utf8').catch(() => '');
  const pid = Number(content.split('\n')[0]);
  if (!content || !Number.isSafeInteger(pid)) return false;
  if (!isServerOf(pid, data)) {
    // PostgreSQL would refuse to start while the number in the file belongs to any process of its user.
    await rm(lockFile, { force: true });
    return false;
  }
  log.warn({ pid }, 'stopping the database server that a killed process left running');
  for (const { signal, patienceMs } of stopSteps) {
    kill(pid, signal);
    const deadline = clock.monotonicMs() + patienceMs;
    while (clock.monotonicMs() < deadline) {
      if (!isServerOf(pid, data)) return true;
      await clock.sleep(20);
    }
  }
  throw new AppError('DATABASE.EMBEDDED_FAILED', 'A database server left by a killed process does not end.', {
    details: { pid },
  });
}

/** Whether that process is a PostgreSQL server started on this data directory (`postgres -D {data}`). */
export function isServerOf(pid: number, data: string): boolean {
  const args = findProcess(pid)?.arguments ?? [];
  return args.includes(data) || (args.length === 1 && args[0]?.includes(` -D ${data} `) === true);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
