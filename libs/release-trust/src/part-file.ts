import { createHash, type Hash } from 'node:crypto';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { moveFileDurably } from '@sightline/host';
import type { Sha256 } from '@sightline/kernel';

import { storageFailed } from './storage-failed.js';

const READ_BYTES = 1 << 20;

/**
 * The growing beginning of a download: `{path}.part`. What an earlier process left is hashed again when
 * it is opened, so the digest always covers exactly the bytes on disk.
 */
export class PartFile {
  readonly #handle: FileHandle;
  readonly #finalPath: string;
  #hash: Hash = createHash('sha256');
  #size = 0;

  private constructor(handle: FileHandle, finalPath: string) {
    this.#handle = handle;
    this.#finalPath = finalPath;
  }

  /** @param maximumBytes a part that is longer than this is no beginning of the file: it starts anew */
  static async open(finalPath: string, maximumBytes: number): Promise<PartFile> {
    await mkdir(dirname(finalPath), { recursive: true });
    const handle = await open(`${finalPath}.part`, 'a+');
    const part = new PartFile(handle, finalPath);
    try {
      if ((await handle.stat()).size > maximumBytes) await part.restart();
      else await part.#rehash();
    } catch (error) {
      await handle.close();
      throw error;
    }
    return part;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** SHA-256 of the bytes so far. */
  digest(): Sha256 {
    return this.#hash.copy().digest('hex') as Sha256;
  }

  /** @throws AppError `RELEASE.STORAGE_FAILED`, retryable, when the disk takes no more */
  async append(chunk: Uint8Array): Promise<void> {
    try {
      await this.#handle.appendFile(chunk);
    } catch (cause) {
      throw storageFailed(cause);
    }
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /** Forgets what is there. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = createHash('sha256');
    this.#size = 0;
  }

  /** Gives it its final name, synced. The caller has checked length and digest. */
  async commit(): Promise<void> {
    await moveFileDurably(`${this.#finalPath}.part`, this.#finalPath);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #rehash(): Promise<void> {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (;;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, this.#size);
      if (bytesRead === 0) return;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#size += bytesRead;
    }
  }
}
