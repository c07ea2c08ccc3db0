import { mkdir, readFile, stat } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';

import { createOnce } from '@sightline/host';
import { AppError, type Logger } from '@sightline/kernel';

const KEY_BYTES = 32;

/**
 * The secret that the local cache is sealed with: 32 random bytes as base64 in a file that its owner alone can read.
 * Made when it is not there.
 *
 * @throws AppError `CACHE.KEY_UNAVAILABLE`
 */
export async function openCacheKey(path: string, log: Logger): Promise<Uint8Array> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await createOnce(path, `${randomBytes(KEY_BYTES).toString('base64')}\n`);
    if (((await stat(path)).mode & 0o077) !== 0) {
      log.warn({ code: 'CACHE.KEY_READABLE', path }, 'others can read the key of the local cache: make it 0600');
    }
    const key = Buffer.from((await readFile(path, 'utf8')).trim(), 'base64');
    if (key.length !== KEY_BYTES) throw new TypeError(`the file does not hold ${KEY_BYTES} bytes as base64`);
    return new Uint8Array(key);
  } catch (cause) {
    throw new AppError('CACHE.KEY_UNAVAILABLE', 'The key of the local cache cannot be read or made.', { cause });
  }
}
