import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

import { AppError } from '@sightline/kernel';

const run = promisify(execFile);

/** Whom the server runs as. Absent fields: the current user. */
export interface ServerUser {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * PostgreSQL refuses to run as root: then it runs as the system's `postgres`, or as another user without rights
 * that every system has. No user is created. initdb wants the user in the passwd file.
 *
 * @throws AppError `DATABASE.EMBEDDED_UNSUPPORTED` when there is no such user
 */
export async function chooseServerUser(): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return {};
  const entries = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody', 'daemon']) {
    const entry = entries.find(([candidate]) => candidate === name);
    const [uid, gid] = [Number(entry?.[2]), Number(entry?.[3])];
    if (uid > 0 && gid >= 0) return { uid, gid };
  }
  throw new AppError(
    'DATABASE.EMBEDDED_UNSUPPORTED',
    'PostgreSQL does not run as root, and there is no user postgres, nobody or daemon to run it as.',
  );
}

/** Whether the server's user can go into a directory: asked of the kernel, so that ACLs and mounts count too. */
export async function canEnter(user: ServerUser, directory: string): Promise<boolean> {
  return succeeds(user, '/bin/sh', ['-c', 'cd "$1"', 'sh', directory]);
}

/** Whether a program runs to a good end as the server's user. */
export async function succeeds(user: ServerUser, program: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(program, args, { ...user, cwd: '/', env: {}, timeout: 30_000 });
    return true;
  } catch {
    return false;
  }
}
