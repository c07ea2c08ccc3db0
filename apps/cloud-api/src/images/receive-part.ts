import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';

import { AppError, isAppError } from '@sightline/kernel';

import type { IncomingFile } from './image-files.js';

/** What a part of an upload must hash to (tus 1.0, Checksum). */
export interface Checksum {
  readonly algorithm: 'sha1' | 'sha256';
  readonly digest: Uint8Array;
}

interface Part {
  readonly offset: number;
  readonly body: Readable;
  readonly checksum?: Checksum | undefined;
}

interface Bounds {
  /** Bytes before this place are written, those from it on are returned. */
  readonly onDisk: number;
  /** Bytes of the whole. */
  readonly length: number;
}

/**
 * Writes a part of an upload as it comes, so that what came before a connection breaks is there; of a part with a
 * checksum all or nothing is.
 *
 * @returns where the part ended, and what of it is not for the disk
 * @throws AppError `REQUEST.TOO_LARGE`, `REQUEST.ABORTED`, `SEALED_IMAGE.WRONG_CHECKSUM` (retryable),
 *   `SEALED_IMAGE.NO_ROOM` (retryable)
 */
export async function receivePart(
  file: IncomingFile,
  { offset, body, checksum }: Part,
  { onDisk, length }: Bounds,
): Promise<{ readonly end: number; readonly tail: Uint8Array }> {
  const hash = createHash(checksum?.algorithm ?? 'sha256');
  const tail: Uint8Array[] = [];
  let end = offset;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (end + chunk.length > length) throw new AppError('REQUEST.TOO_LARGE', 'The part goes beyond the image.');
      const written = chunk.subarray(0, Math.max(0, onDisk - end));
      if (written.length > 0) await file.write(written, end);
      tail.push(chunk.subarray(written.length));
      hash.update(chunk);
      end += chunk.length;
    }
    if (checksum && !hash.digest().equals(checksum.digest)) {
      throw new AppError('SEALED_IMAGE.WRONG_CHECKSUM', 'The part does not have its checksum.', { retryable: true });
    }
    return { end, tail: new Uint8Array(Buffer.concat(tail)) };
  } catch (error) {
    if (checksum) await file.truncate(Math.min(offset, onDisk));
    if (isAppError(error)) throw error;
    throw new AppError('REQUEST.ABORTED', 'The part did not arrive whole.', { retryable: true, cause: error });
  }
}
