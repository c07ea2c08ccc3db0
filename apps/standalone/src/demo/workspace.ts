import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { removeEmbeddedPostgres } from '@sightline/database';
import { AppError, errorMessage, type Logger } from '@sightline/kernel';

const PREFIX = 'sightline-demo-';
const OWNER_FILE = 'owner.pid';

/** The directory that one demo keeps everything in. */
export interface DemoWorkspace {
  readonly directory: string;
  path(name: string): string;
  /** Removes what a temporary workspace holds; keeps one that the user named. */
  close(): Promise<void>;
}

/** Opens the named directory, or a temporary one that no other demo uses. */
export async function openWorkspace(named: string | undefined, log: Logger): Promise<DemoWorkspace> {
  const directory = named === undefined ? await mkdtemp(join(tmpdir(), PREFIX)) : resolve(named);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const owner = await liveOwner(directory);
  if (owner !== undefined) {
    throw new AppError('DEMO.IN_USE', `Another demo (process ${owner}) uses this directory.`);
  }
  await writeFile(join(directory, OWNER_FILE), String(process.pid), { mode: 0o600 });
  return {
    directory,
    path: (name) => join(directory, name),
    close: async () => {
      await rm(join(directory, OWNER_FILE), { force: true });
      if (named === undefined) await removeWorkspace(directory, log);
    },
  };
}

/** Removes temporary workspaces that killed demos left, their database servers included. */
export async function sweepWorkspaces(log: Logger): Promise<void> {
  const entries = await readdir(tmpdir(), { withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isDirectory() || !entry.name.startsWith(PREFIX)) continue;
    const directory = join(tmpdir(), entry.name);
    try {
      if (!(await hasOwnerFile(directory)) || (await liveOwner(directory)) !== undefined) continue;
      await removeWorkspace(directory, log);
    } catch (error) {
      // Another user's, or being removed by another demo at this moment.
      log.debug({ reason: errorMessage(error) }, 'a left workspace stays');
    }
  }
}

async function removeWorkspace(directory: string, log: Logger): Promise<void> {
  await removeEmbeddedPostgres({ directory: join(directory, 'postgres'), log });
  await rm(directory, { recursive: true, force: true });
}

async function hasOwnerFile(directory: string): Promise<boolean> {
  return (await readdir(directory)).includes(OWNER_FILE);
}

async function liveOwner(directory: string): Promise<number | undefined> {
  const text = await readFile(join(directory, OWNER_FILE), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return undefined;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? pid : undefined;
  }
}
