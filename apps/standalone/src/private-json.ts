import { writeFileDurably } from '@sightline/host';

/** Writes a JSON file that only its owner may read; a reader sees the old content or the new, never a part. */
export function writePrivateJson(path: string, value: unknown): Promise<void> {
  return writeFileDurably(path, `${JSON.stringify(value, null, 2)}\n`, 0o600);
}
