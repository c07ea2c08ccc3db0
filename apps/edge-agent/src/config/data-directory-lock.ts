import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { AppError } from '@sightline/kernel';
import { z } from 'zod';

const holderSchema = z.object({ pid: z.number().int(), started: z.string() });
type Holder = z.infer<typeof holderSchema>;

/** Folders that this very process holds. */
const held = new Set<string>();

/**
 * Keeps a second agent out of a data directory: two of them would share one outbox stream and one client id.
 * The lock is a file with the holder's process id and the moment of its start, so a lock that a killed agent
 * left behind holds nobody up, even when its process id is in use again.
 *
 * @returns what gives the directory back
 * @throws AppError `AGENT.ALREADY_RUNNING`
 */
export function lockDataDirectory(directory: string): () => void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'agent.lock');
  if (held.has(path) || !take(path)) {
    throw new AppError('AGENT.ALREADY_RUNNING', 'Another agent uses the data directory.', { details: { directory } });
  }
  held.add(path);
  return () => {
    held.delete(path);
    rmSync(path, { force: true });
  };
}

function take(path: string): boolean {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = openSync(path, 'wx', 0o600);
      const holder: Holder = { pid: process.pid, started: startOf(process.pid) ?? '' };
      writeSync(file, JSON.stringify(holder));
      closeSync(file);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (isAlive(readHolder(path))) return false;
      rmSync(path, { force: true });
    }
  }
  return false;
}

function readHolder(path: string): Holder | undefined {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

function isAlive(holder: Holder | undefined): boolean {
  // A file of our own process id that we do not hold is of an earlier life, as in a container's restart.
  if (!holder || holder.pid === process.pid) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return (startOf(holder.pid) ?? '') === holder.started;
}

/** When a process started, in ticks since the boot (field 22 of proc(5)'s stat); undefined where there is no /proc. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name, may contain blanks and brackets.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
