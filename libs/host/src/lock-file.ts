import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';

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
  for (;;) {
    const chain = await readChain(path);
    const last = chain.at(-1);
    const holder = last && liveOwner(last.content);
    if (holder) throw inUse(holder.pid);
    const next = last === undefined ? path : successorOf(path, last.content);
    if ((await createOnce(next, mine)) && (await settle(path, chain, next, mine))) break;
  }
  return async () => {
    if ((await contentOf(path)) === mine) await rm(path, { force: true });
  };
}

interface Link {
  readonly path: string;
  readonly content: string;
}

/**
 * A dead owner's lock is never removed by those who find it, since the one that is removed may be a faster finder's
 * by then. It is succeeded: by the file whose name is made of the dead lock's content, which one call alone can
 * create. The last of the chain is the lock; its creator then puts it in the first one's place.
 */
async function readChain(path: string): Promise<readonly Link[]> {
  const chain: Link[] = [];
  for (let at = path; !chain.some((link) => link.path === at);) {
    const content = await contentOf(at);
    if (content === undefined) break;
    chain.push({ path: at, content });
    at = successorOf(path, content);
  }
  return chain;
}

function successorOf(path: string, content: string): string {
  return `${path}.${createHash('sha256').update(content).digest('hex').slice(0, 32)}`;
}

/**
 * Makes a successor the lock.
 *
 * @param chain what the successor was put behind
 * @returns whether it counts: not when the chain had been replaced before the successor was there
 */
async function settle(path: string, chain: readonly Link[], successor: string, mine: string): Promise<boolean> {
  if (successor === path) return true;
  if ((await readChain(path)).at(-1)?.content !== mine) {
    await rm(successor, { force: true });
    return false;
  }
  await rename(successor, path);
  for (const { path: dead } of chain.slice(1)) await rm(dead, { force: true });
  return true;
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
