import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { moveFileDurably } from '@sightline/host';
import { AppError, isSha256, type TenantId } from '@sightline/kernel';

/** Whose file it is: SHA-256 of the whole sealed image, 64 hexadecimal digits. */
export interface ImageName {
  readonly tenantId: TenantId;
  readonly digest: string;
}

type Folder = 'incoming' | 'stored';

/**
 * The image directory: `incoming/{tenant}/{digest}` grows while it is uploaded, `stored/{tenant}/{2 digits}/{digest}` is
 * whole. Neither ever holds the last bytes of an image, so that nobody can open what lies here. Several processes may use
 * one directory.
 */
export class ImageFiles {
  constructor(private readonly directory: string) {}

  /** Bytes of an upload that are there. */
  async incomingBytes(name: ImageName): Promise<number> {
    return (await sizeOf(this.#path('incoming', name))) ?? 0;
  }

  /**
   * Opens an upload to go on with it.
   *
   * @throws AppError `SEALED_IMAGE.NO_ROOM` (retryable)
   */
  async openIncoming(name: ImageName): Promise<IncomingFile> {
    const path = this.#path('incoming', name);
    return roomFor(async () => {
      await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
      // Neither truncated nor appended to: the place is the writer's.
      const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
      return new IncomingFile(handle);
    });
  }

  /** What is there of an upload. */
  async readIncoming(name: ImageName): Promise<Uint8Array> {
    return (await orUndefined(readFile(this.#path('incoming', name)))) ?? new Uint8Array(0);
  }

  /** Makes an upload that is whole a stored file, for good. @throws AppError `SEALED_IMAGE.NO_ROOM` (retryable) */
  async keep(name: ImageName): Promise<void> {
    const path = this.#path('stored', name);
    await roomFor(async () => {
      await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
      await moveFileDurably(this.#path('incoming', name), path);
    });
  }

  /** Undefined when there is no such file. */
  async read(name: ImageName): Promise<Uint8Array | undefined> {
    return orUndefined(readFile(this.#path('stored', name)));
  }

  async isStored(name: ImageName): Promise<boolean> {
    return (await sizeOf(this.#path('stored', name))) !== undefined;
  }

  async removeIncoming(name: ImageName): Promise<void> {
    await rm(this.#path('incoming', name), { force: true });
  }

  /** Removes whatever there is of an image. Safe to repeat. */
  async remove(name: ImageName): Promise<void> {
    await this.removeIncoming(name);
    await rm(this.#path('stored', name), { force: true });
  }

  /** Files that were last changed before a time, ms since the Unix epoch, folder by folder. */
  async *older(folder: Folder, thanMs: number): AsyncGenerator<readonly ImageName[]> {
    for (const tenantId of await entriesOf(join(this.directory, folder))) {
      const own = join(this.directory, folder, tenantId);
      const folders = folder === 'incoming' ? ['.'] : await entriesOf(own);
      for (const inner of folders) {
        const names: ImageName[] = [];
        for (const digest of await entriesOf(join(own, inner))) {
          if (!isSha256(digest)) continue;
          const found = await orUndefined(stat(join(own, inner, digest)));
          if (found !== undefined && found.mtimeMs < thanMs) names.push({ tenantId: tenantId as TenantId, digest });
        }
        if (names.length > 0) yield names;
      }
    }
  }

  #path(folder: Folder, { tenantId, digest }: ImageName): string {
    const inner = folder === 'incoming' ? [] : [digest.slice(0, 2)];
    return join(this.directory, folder, tenantId, ...inner, digest);
  }
}

/** A file that is being uploaded. */
export class IncomingFile {
  constructor(private readonly handle: FileHandle) {}

  /** @throws AppError `SEALED_IMAGE.NO_ROOM` (retryable); what was written before is still there */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    await roomFor(async () => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done, position + done);
        done += bytesWritten;
      }
    });
  }

  async truncate(bytes: number): Promise<void> {
    await this.handle.truncate(bytes);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await orUndefined(stat(path)))?.size;
}

async function entriesOf(path: string): Promise<readonly string[]> {
  return (await orUndefined(readdir(path))) ?? [];
}

async function orUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isCode(error, ['ENOENT', 'ENOTDIR'])) return undefined;
    throw error;
  }
}

/** A disk, or a quota of it, that is full is no fault of the box: it keeps what it has, and comes again. */
async function roomFor<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!isCode(cause, ['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS'])) throw cause;
    throw new AppError('SEALED_IMAGE.NO_ROOM', 'The image directory is full.', { retryable: true, cause });
  }
}

const isCode = (error: unknown, codes: readonly string[]): boolean =>
  codes.includes((error as NodeJS.ErrnoException).code ?? '');
