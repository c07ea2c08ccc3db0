import { execFile } from 'node:child_process';
import { chmod, chown, lstat, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { AppError, errorMessage } from '@sightline/kernel';

import type { Binaries } from './binaries.js';
import type { Home } from './home.js';
import type { ServerUser } from './server-user.js';

const run = promisify(execFile);

/** The superuser that initdb makes, and the database that applications connect to. */
export const ROLE = 'sightline';

/**
 * Creates the data directory unless there is one: UTF-8, C collation, SCRAM passwords. It is made under another name
 * and renamed when complete, so that a start killed half-way leaves nothing that a later one would trust.
 *
 * @returns the user that owns the data, whom the server must run as
 * @throws AppError `DATABASE.EMBEDDED_FAILED`
 */
export async function ensureCluster(
  home: Home,
  password: string,
  binaries: Binaries,
  user: ServerUser,
): Promise<ServerUser> {
  const found = await lstat(home.data).catch(() => undefined);
  if (!found) await initialise(home, password, binaries, user);
  if (user.uid === undefined) return user;
  const owner = await stat(home.data);
  return { uid: owner.uid, gid: owner.gid };
}

async function initialise(home: Home, password: string, binaries: Binaries, user: ServerUser): Promise<void> {
  const draft = `${home.data}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  const data = join(draft, 'data');
  const passwordFile = join(draft, 'password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user.uid !== undefined && user.gid !== undefined) {
    for (const path of [passwordFile, draft]) await chown(path, user.uid, user.gid);
  }
  const options = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', `--username=${ROLE}`];
  try {
    await run(binaries.initdb, [`--pgdata=${data}`, `--pwfile=${passwordFile}`, ...options], {
      ...user,
      cwd: '/',
      env: { LC_ALL: 'C', TZ: 'UTC' },
    });
  } catch (cause) {
    throw new AppError('DATABASE.EMBEDDED_FAILED', 'The data directory of the embedded database cannot be made.', {
      cause,
      details: { reason: errorMessage(cause) },
    });
  }
  await chmod(data, 0o700);
  await rename(data, home.data);
  await rm(draft, { recursive: true, force: true });
}
