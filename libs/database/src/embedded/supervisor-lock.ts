import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm } from 'node:fs/promises';

import { AppError } from '@sightline/kernel';

import { createOnce } from './create-once.js';
import { findProcess } from './process-table.js';

interface Owner {
  readonly pid: number;
  readonly startedAt: string;
}

/**
 * Makes this process the only supervisor of a home. The lock names its owner by number and start time, so that one
 * left by a dead process is taken over, also when its number was given again (every container starts at 1).
 *
 * PostgreSQL's own interlock (postmaster.pid and shared memory) stays the last word on "one server per data
 * directory"; this lock keeps a second supervisor from stopping the first one's server.
 *
 * @returns the release, safe to call twice
 * @throws AppError `DATABASE.IN_USE` while another live process holds it
 */
export async function lockHome(path: string): Promise<() => Promise<void>> {
  const mine = `${process.pid} ${findProcess(process.pid)?.startedAt ?? ''} ${randomUUID()}\n`;
  while (!(await createOnce(path, mine))) {
    const found = await contentOf(path);
    if (found === undefined) continue;
    const owner = parseOwner(found);
    if (isAlive(owner)) {
      throw new AppError('DATABASE.IN_USE', 'Another process runs the embedded database of this directory.', {
        retryable: true,
        details: { pid: owner.pid },
      });
    }
    await dropStale(path, found);
  }
  return async () => {
    if ((await contentOf(path)) === mine) await rm(path, { force: true });
  };
}

/** Takes a dead owner's lock away; puts it back when a faster starter has replaced it meanwhile. */
async function dropStale(path: string, judged: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    if ((await contentOf(aside)) !== judged) await link(aside, path).catch(() => undefined);
  } finally {
    await rm(aside, { force: true });
  }
}

function parseOwner(content: string): Owner {
  const [pid = '', startedAt = ''] = content.split(' ');
  return { pid: Number(pid), startedAt };
}

function isAlive(owner: Owner): boolean {
  return findProcess(owner.pid)?.startedAt === owner.startedAt;
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
