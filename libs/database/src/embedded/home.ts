import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, lstat, mkdir, readFile, realpath, rm, rmdir } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';

import { createOnce, takeLock } from '@sightline/host';
import { AppError } from '@sightline/kernel';

import { canEnter, type ServerUser } from './server-user.js';

/** The files of one embedded server. */
export interface Home {
  readonly root: string;
  readonly data: string;
  readonly password: string;
  readonly lock: string;
}

const POINTER = 'location';

function homeIn(root: string): Home {
  return { root, data: join(root, 'data'), password: join(root, 'password'), lock: join(root, 'server.lock') };
}

/**
 * Where the data of `directory` lies. The rule: in `directory` itself whenever the server's user can go there. When
 * it cannot (root started us below a folder that only root may enter), in `{sharedDirectory}/postgres/{random id}`,
 * and the file `location` in `directory` names that place. The first start decides; later ones follow.
 * The id is random, so that a directory deleted and made again does not find its predecessor's data.
 */
export async function openHome(directory: string, user: ServerUser, sharedDirectory: string): Promise<Home> {
  await mkdir(directory, { recursive: true });
  const own = await realpath(directory);
  const existing = await findHome(own);
  if (existing) return existing;
  if (user.uid === undefined || (await canEnter(user, own))) return homeIn(own);
  const elsewhere = join(sharedDirectory, 'postgres', randomUUID());
  await mkdir(elsewhere, { recursive: true });
  for (const path of [sharedDirectory, dirname(elsewhere), elsewhere]) await chmod(path, 0o755);
  if (!(await createOnce(join(own, POINTER), `${elsewhere}\n`))) await rmdir(elsewhere);
  return openHome(own, user, sharedDirectory);
}

/** The home that an earlier start chose for this directory, if any. */
export async function findHome(directory: string): Promise<Home | undefined> {
  const pointer = await readOptional(join(directory, POINTER));
  if (pointer !== undefined) return homeIn(await realpath(pointer.trim()).catch(() => lost(pointer.trim())));
  const own = await realpath(directory).catch(() => undefined);
  if (own === undefined) return undefined;
  const home = homeIn(own);
  const found = await Promise.all([home.data, home.password].map(exists));
  return found.includes(true) ? home : undefined;
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function lost(location: string): never {
  throw new AppError('DATABASE.EMBEDDED_FAILED', 'The data of this directory is no longer where it was kept.', {
    details: { location },
  });
}

/**
 * Makes this process the only supervisor of a home. PostgreSQL's own interlock (postmaster.pid and shared memory)
 * stays the last word on "one server per data directory"; this lock keeps a second supervisor from stopping the
 * first one's server.
 *
 * @returns the release, safe to call twice
 * @throws AppError `DATABASE.IN_USE` while another live process holds it
 */
export function lockHome(home: Home): Promise<() => Promise<void>> {
  return takeLock(
    home.lock,
    (pid) =>
      new AppError('DATABASE.IN_USE', 'Another process runs the embedded database of this directory.', {
        retryable: true,
        details: { pid },
      }),
  );
}

/** Deletes the data, wherever it lies, and the directory if nothing else is in it. */
export async function deleteHome(directory: string, home: Home, sharedDirectory: string): Promise<void> {
  const shared = await realpath(sharedDirectory).catch(() => sharedDirectory);
  if (home.root.startsWith(join(shared, 'postgres') + sep)) {
    await rm(home.root, { recursive: true, force: true });
    await rm(join(directory, POINTER), { force: true });
  }
  for (const path of [home.data, `${home.data}.new`, home.password, home.lock]) {
    await rm(path, { recursive: true, force: true });
  }
  await rmdir(directory).catch(() => undefined);
}

/** The superuser's password: random, made once, kept beside the data for its owner's eyes alone. */
export async function readPassword(home: Home): Promise<string> {
  await createOnce(home.password, randomBytes(24).toString('base64url'));
  return readFile(home.password, 'utf8');
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
