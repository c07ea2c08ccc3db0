import { lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { removeEmbeddedPostgres } from '@sightline/database';
import { takeLock } from '@sightline/host';
import { AppError, errorMessage, type Logger } from '@sightline/kernel';

const PREFIX = 'sightline-demo-';
const LOCK_FILE = 'demo.lock';

/** The directory that one demo keeps everything in. */
export interface DemoWorkspace {
  readonly directory: string;
  path(name: string): string;
  /** Removes what a temporary workspace holds; keeps one that the user named. */
  close(): Promise<void>;
}

/**
 * Opens the named directory, or a temporary one. A demo starts from nothing: whoever is enrolled already would
 * be taken for a second person of the same face.
 *
 * @throws AppError `DEMO.IN_USE` while another demo uses the directory, `DEMO.DIRECTORY_NOT_EMPTY`
 */
export async function openWorkspace(named: string | undefined, log: Logger): Promise<DemoWorkspace> {
  const directory = named === undefined ? await mkdtemp(join(tmpdir(), PREFIX)) : resolve(named);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unlock = await lock(directory);
  const found = (await readdir(directory)).filter((name) => name !== LOCK_FILE);
  if (found.length > 0) {
    await unlock();
    throw new AppError('DEMO.DIRECTORY_NOT_EMPTY', `${directory} is not empty: name a new directory, or empty it.`);
  }
  return {
    directory,
    path: (name) => join(directory, name),
    close: async () => {
      if (named === undefined) await removeWorkspace(directory, log);
      await unlock();
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
      // Another user may put anything in there, also the name of somebody else's data.
      if ((await lstat(directory)).uid !== process.getuid?.()) continue;
      // One without a lock is being made at this moment.
      if (!(await readdir(directory)).includes(LOCK_FILE)) continue;
      await lock(directory);
      await removeWorkspace(directory, log);
    } catch (error) {
      // Another demo's or another user's.
      log.debug({ reason: errorMessage(error) }, 'a left workspace stays');
    }
  }
}

async function removeWorkspace(directory: string, log: Logger): Promise<void> {
  await removeEmbeddedPostgres({ directory: join(directory, 'postgres'), log });
  await rm(directory, { recursive: true, force: true });
}

function lock(directory: string): Promise<() => Promise<void>> {
  return takeLock(
    join(directory, LOCK_FILE),
    (pid) =>
      new AppError('DEMO.IN_USE', `Another demo (process ${pid}) uses this directory.`, {
        details: { directory, pid },
      }),
  );
}
