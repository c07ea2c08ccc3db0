import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { moveFileDurably } from '@sightline/host';
import { AppError, type Sha256 } from '@sightline/kernel';

/** A file that is known by its content. */
export interface Blob {
  readonly sha256: Sha256;
  readonly bytes: number;
}

/** Of files that are not whole yet. */
const PART_PREFIX = '.part-';
/** Younger files are left alone by the collection: somebody may be about to name them, ms. */
const YOUNG_MS = 24 * 3_600_000;

/** Files on disk under the SHA-256 of their content. A name is there once all of its bytes are, for good. */
export class BlobStore {
  readonly #directory: string;

  /** @param directory made when it is missing; nothing else may write to it */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Stores what a stream brings.
   *
   * @param largest bytes that are taken at most
   * @param expected what it must be
   * @throws AppError `REQUEST.TOO_LARGE`, `MODEL.INVALID` when it is something else than expected; what the stream throws
   */
  async put(source: AsyncIterable<Uint8Array>, largest: number, expected?: Sha256): Promise<Blob> {
    await mkdir(this.#directory, { recursive: true });
    const part = this.partPath();
    const hash = createHash('sha256');
    let bytes = 0;
    try {
      const file = await open(part, 'wx');
      await pipeline(
        source,
        async function* (chunks: AsyncIterable<Uint8Array>) {
          for await (const chunk of chunks) {
            bytes += chunk.length;
            if (bytes > largest) {
              throw new AppError('REQUEST.TOO_LARGE', `The file has more than ${largest} bytes.`);
            }
            hash.update(chunk);
            yield chunk;
          }
        },
        file.createWriteStream(),
      );
      const sha256 = hash.digest('hex') as Sha256;
      if (expected !== undefined && sha256 !== expected) {
        throw new AppError('MODEL.INVALID', 'The file is not the one that was announced: its SHA-256 is another.');
      }
      return await this.#keep(part, { sha256, bytes });
    } finally {
      await rm(part, { force: true });
    }
  }

  /** Where somebody may write a file that `adopt` then takes. */
  partPath(): string {
    return join(this.#directory, PART_PREFIX + randomUUID());
  }

  /** Takes a whole file from {@link partPath}. */
  async adopt(part: string): Promise<Blob> {
    const { sha256, bytes } = await digestOf(part);
    return this.#keep(part, { sha256, bytes });
  }

  /** Where a blob lies. Whoever reads it there looks at its digest: see {@link read}. */
  path(sha256: Sha256): string {
    return join(this.#directory, sha256.slice(0, 2), sha256);
  }

  /**
   * @param path where it lies, when that is not among the blobs
   * @throws AppError `RELEASE.CORRUPT` when it is missing or damaged
   */
  async read(sha256: Sha256, path = this.path(sha256)): Promise<Uint8Array> {
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes === undefined || createHash('sha256').update(bytes).digest('hex') !== sha256) {
      throw new AppError('RELEASE.CORRUPT', 'A file of a model is missing on this disk, or was changed.', {
        details: { sha256 },
      });
    }
    return bytes;
  }

  /**
   * Deletes what is not named any more, and parts that nobody finished.
   *
   * @param named digests that somebody needs
   * @param nowMs of the file system's clock; what is younger than a day stays
   * @returns how many files went
   */
  async collect(named: ReadonlySet<string>, nowMs: number): Promise<number> {
    let removed = 0;
    for (const path of await this.#files()) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (named.has(name)) continue;
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || nowMs - found.mtimeMs < YOUNG_MS) continue;
      await rm(path, { force: true });
      removed += 1;
    }
    return removed;
  }

  async #files(): Promise<readonly string[]> {
    const entries = await readdir(this.#directory, { recursive: true, withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  async #keep(part: string, blob: Blob): Promise<Blob> {
    const path = this.path(blob.sha256);
    const there = await digestOf(path).catch(() => undefined);
    if (there?.sha256 === blob.sha256) {
      await rm(part, { force: true });
      return blob;
    }
    await mkdir(join(path, '..'), { recursive: true });
    await moveFileDurably(part, path);
    return blob;
  }
}

async function digestOf(path: string): Promise<Blob> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { sha256: hash.digest('hex') as Sha256, bytes };
}
