import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm } from 'node:fs/promises';

import type { AppError } from '@sightline/kernel';
import { z } from 'zod';

import { createOnce } from './create-once.js';
import { findProcess } from './process-table.js';

const ownerSchema = z.object({ pid: z.number(), startedAt: z.string() });
type Owner = z.infer<typeof ownerSchema>;

/**
 * Makes this call the only holder of a lock file, among all processes of this machine and within this one. The file
 * names its owner by number and start time, so that one left by a dead process is taken over, also when its number
 * was given again (every container starts at 1) or the machine has booted since. It does not see processes of
 * another machine or container that share the folder.
 *
 * @param path in a folder that exists
 * @param inUse the error for a lock that the live process of this number holds
 * @returns the release, safe to call twice
 * @throws what `inUse` made
 */
export async function takeLock(path: string, inUse: (pid: number) => AppError): Promise<() => Promise<void>> {
  const owner: Owner = { pid: process.pid, startedAt: findProcess(process.pid)?.startedAt ?? '' };
  const mine = `${JSON.stringify({ ...owner, id: randomUUID() })}\n`;
  while (!(await createOnce(path, mine))) {
    const found = await contentOf(path);
    if (found === undefined) continue;
    const holder = liveOwner(found);
    if (holder) throw inUse(holder.pid);
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

function liveOwner(content: string): Owner | undefined {
  const owner = parseOwner(content);
  return owner && findProcess(owner.pid)?.startedAt === owner.startedAt ? owner : undefined;
}

function parseOwner(content: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(content));
  } catch {
    return undefined;
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
