import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a rename or a creation inside `directory` survive a power cut. File systems that cannot sync a
 * folder (some network mounts) keep their own promises, so their refusal is no error.
 */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'EINVAL' && code !== 'EPERM' && code !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}

/** Renames a file that is synced already, and syncs the folder: after this it has its new name for good. */
export async function renameDurably(from: string, to: string): Promise<void> {
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
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await renameDurably(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
