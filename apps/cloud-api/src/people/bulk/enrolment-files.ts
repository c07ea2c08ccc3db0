import { createHash, createHmac } from 'node:crypto';
import { access, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

import { AppError, isAppError, isUuid } from '@sightline/kernel';

import { PHOTO_BYTES } from '../../http/photo-upload.js';
import { openArchive, type Archive } from './archive.js';
import { readTable, type NumberedRow } from './people-table.js';
import { openSealed, writeSealed } from './sealed-file.js';

const TABLE = 'table';
const ARCHIVE = 'archive';
const PHOTOS = 'photos';

/** What came with a request to enrol in bulk: in a folder of its own, sealed, until the enrolment ends. */
export class EnrolmentFiles {
  constructor(
    readonly directory: string,
    private readonly key: Uint8Array,
  ) {}

  async create(): Promise<void> {
    await mkdir(join(this.directory, PHOTOS), { recursive: true, mode: 0o700 });
  }

  exists(): Promise<boolean> {
    return isThere(this.directory);
  }

  writeArchive(content: Readable): Promise<void> {
    return writeSealed(join(this.directory, ARCHIVE), this.key, content);
  }

  writeTable(content: Readable): Promise<void> {
    return writeSealed(join(this.directory, TABLE), this.key, content);
  }

  /** @returns false when a photo of this name is there already */
  async writePhoto(name: string, content: Readable): Promise<boolean> {
    const path = this.#photoPath(name);
    if (await isThere(path)) return false;
    await writeSealed(path, this.key, content);
    return true;
  }

  /** @throws AppError `ENROLMENT.BAD_ARCHIVE`, `ENROLMENT.BAD_TABLE`, `ENROLMENT.FILES_LOST` */
  async open(): Promise<OpenEnrolment> {
    const archive = join(this.directory, ARCHIVE);
    if (await isThere(archive)) return openArchived(await openArchive(await openSealed(archive, this.key)));
    const table = join(this.directory, TABLE);
    if (!(await isThere(table))) {
      throw new AppError('ENROLMENT.FILES_LOST', 'The files of the enrolment are not on this machine.');
    }
    const sealed = await openSealed(table, this.key);
    return {
      rows: () => readTable(sealed.read()),
      photo: async (name) => {
        const path = this.#photoPath(name);
        if (!(await isThere(path))) throw photoMissing();
        return readPhoto((await openSealed(path, this.key)).read());
      },
      close: () => undefined,
    };
  }

  remove(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true });
  }

  /** 32 bytes that tell two photos apart, and nothing without the key. */
  macOf(photo: Uint8Array): Uint8Array {
    return new Uint8Array(createHmac('sha256', this.key).update('photo').update(photo).digest());
  }

  /** A name never becomes a path. */
  #photoPath(name: string): string {
    return join(this.directory, PHOTOS, createHash('sha256').update(name.normalize('NFC')).digest('hex'));
  }
}

/** The rows and photos of an enrolment. */
export interface OpenEnrolment {
  rows(): AsyncIterable<NumberedRow>;
  /** @throws AppError `ENROLMENT.PHOTO_MISSING`, `ENROLMENT.PHOTO_AMBIGUOUS`, `ENROLMENT.BAD_ARCHIVE`, `REQUEST.TOO_LARGE` */
  photo(name: string): Promise<Uint8Array>;
  close(): void;
}

/** The table of an archive is its one file that ends so; photos are named as seen from it. */
function openArchived(archive: Archive): OpenEnrolment {
  const tables = [...archive.names].filter(([name]) => /\.csv$/i.test(name) && !isOfMacintosh(name));
  const [only] = tables;
  const [path, [table, ...copies]] = only ?? ['', []];
  if (table === undefined || copies.length > 0 || tables.length > 1) {
    archive.close();
    throw new AppError('ENROLMENT.BAD_ARCHIVE', 'The archive has exactly one table, a file whose name ends in .csv.');
  }
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  return {
    rows: async function* () {
      yield* readTable(await table.read());
    },
    photo: async (name) => {
      const [file, ...more] = archive.names.get(folder + name.normalize('NFC').replace(/^\.\//, '')) ?? [];
      if (file === undefined) throw photoMissing();
      if (more.length > 0) {
        throw new AppError('ENROLMENT.PHOTO_AMBIGUOUS', 'The archive has several files of this name.');
      }
      // Not one byte of it is unpacked, whatever it would have become.
      if (file.size > PHOTO_BYTES) throw tooLarge();
      return readPhoto(await file.read());
    },
    close: () => archive.close(),
  };
}

/** What macOS adds to archives beside the files. */
const isOfMacintosh = (name: string): boolean => name.startsWith('__MACOSX/');

async function readPhoto(content: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of content as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > PHOTO_BYTES) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (isAppError(error)) throw error;
    throw new AppError('ENROLMENT.BAD_ARCHIVE', 'The photo does not come out of the archive.', { cause: error });
  }
  return Buffer.concat(chunks);
}

const tooLarge = (): AppError => new AppError('REQUEST.TOO_LARGE', 'A photo has at most 20 MiB.');
const photoMissing = (): AppError => new AppError('ENROLMENT.PHOTO_MISSING', 'The photo of the row did not come.');

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** The enrolments whose files are on this machine, and since when. */
export async function enrolmentsOnDisk(
  directory: string,
): Promise<readonly { readonly id: string; readonly createdAtMs: number }[]> {
  const ids = (await readdir(directory).catch(() => [])).filter(isUuid);
  const found = await Promise.all(
    ids.map(async (id) => {
      const info = await stat(join(directory, id)).catch(() => undefined);
      return info && { id, createdAtMs: info.ctimeMs };
    }),
  );
  return found.filter((folder) => folder !== undefined);
}
