import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';

import { AppError, errorMessage } from '@sightline/kernel';
import { z } from 'zod';

/** Writes a JSON file that only its owner may read; a reader sees the old content or the new, never a part. */
export async function writePrivateJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  await rename(temporary, path);
}

/**
 * Reads and checks a JSON file.
 *
 * @throws AppError `CONFIG.INVALID`, naming every key that does not fit
 */
export async function readJson<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.infer<Schema>> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new AppError('CONFIG.INVALID', `${path} cannot be read: ${errorMessage(cause)}`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new AppError('CONFIG.INVALID', `${path} is not valid:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
