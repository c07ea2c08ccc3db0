import { randomUUID } from 'node:crypto';
import { link, open, rm } from 'node:fs/promises';

/**
 * Creates a file with its whole content in one step, readable by its owner alone, unless it exists: a reader never
 * sees half of it. The file system must know hard links.
 *
 * @returns whether this call created it
 */
export async function createOnce(path: string, content: string): Promise<boolean> {
  const temporary = `${path}.${randomUUID()}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
    await file.close();
    await link(temporary, path);
    return true;
  } catch (error) {
    await file.close().catch(() => undefined);
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}
