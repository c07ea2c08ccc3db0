import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

import type { Sha256 } from '@sightline/kernel';

/** SHA-256 of bytes in memory. */
export function sha256Of(bytes: Uint8Array | string): Sha256 {
  return createHash('sha256').update(bytes).digest('hex') as Sha256;
}

/** Length and SHA-256 of a file, read as a stream; undefined when there is no such file. */
export async function digestFile(
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly bytes: number; readonly sha256: Sha256 } | undefined> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, signal ? { signal } : {}) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw signal?.aborted ? signal.reason : error;
  }
  return { bytes, sha256: hash.digest('hex') as Sha256 };
}
