import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What file systems say that cannot sync a folder (some network mounts): they keep their own promises. */
const cannotSync = new Set<unknown>(['EINVAL', 'EPERM', 'ENOTSUP']);

/** Makes a rename or a creation inside `directory` survive a power cut. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!cannotSync.has((error as NodeJS.ErrnoException).code)) throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Gives a file that was written under a temporary name its final one, replacing what has it: after this it is there
 * under that name, whole, for good. Both names are on one file system.
 */
export async function moveFileDurably(from: string, to: string): Promise<void> {
  const handle = await open(from, 'r+');
  await handle.sync().finally(() => handle.close());
  await rename(from, to);
  await syncDirectory(dirname(to));
}

/**
 * Replaces or creates a file in one step: a reader, or a process that starts after a crash, sees the old
 * content or the new, never a part. The folder is made when it is missing. One writer at a time: the
 * temporary file has a fixed name, so that crashes leave one behind and not many.
 *
 * @param mode permissions of the file, 0644 by default; a private key wants 0600
 */
export async function writeFileDurably(path: string, content: Uint8Array | string, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.tmp`;
  await rm(temporary, { force: true });
  try {
    const handle = await open(temporary, 'wx', mode);
    await handle.writeFile(content).finally(() => handle.close());
    await moveFileDurably(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** As {@link writeFileDurably}, for a caller whose decision must not be overtaken meanwhile; the folder must exist. */
export function writeFileDurablySync(path: string, content: Uint8Array | string, mode = 0o644): void {
  const temporary = `${path}.tmp`;
  rmSync(temporary, { force: true });
  try {
    writeFileSync(temporary, content, { flag: 'wx', mode, flush: true });
    renameSync(temporary, path);
    syncDirectorySync(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function syncDirectorySync(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } catch (error) {
    if (!cannotSync.has((error as NodeJS.ErrnoException).code)) throw error;
  } finally {
    closeSync(descriptor);
  }
}
