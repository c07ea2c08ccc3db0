import type { Readable } from 'node:stream';

import { AppError } from '@sightline/kernel';
import {
  fromRandomAccessReaderPromise,
  getFileNameLowLevel,
  RandomAccessReader,
  type Entry,
  type ZipFile,
} from 'yauzl';

import type { SealedFile } from './sealed-file.js';

/** Files of an archive. */
const MOST_FILES = 100_000;

/** A zip archive whose files are read one by one where they lie: no name in it ever becomes a path. */
export interface Archive {
  /** Names of its files, each as often as it is there. */
  readonly names: ReadonlyMap<string, readonly ArchivedFile[]>;
  close(): void;
}

export interface ArchivedFile {
  /** What the archive says of it; a file of another size ends with an error when it is read. */
  readonly size: number;
  /** @throws AppError `ENROLMENT.BAD_ARCHIVE`, also as the stream's error */
  read(): Promise<Readable>;
}

/** @throws AppError `ENROLMENT.BAD_ARCHIVE` */
export async function openArchive(file: SealedFile): Promise<Archive> {
  const zip = await readable(() =>
    // Names as bytes: one that leads out of the archive must not keep the others from being read.
    fromRandomAccessReaderPromise(new SealedReader(file), file.size, {
      lazyEntries: true,
      autoClose: false,
      decodeStrings: false,
    }),
  );
  if (zip.entryCount > MOST_FILES) throw new AppError('ENROLMENT.BAD_ARCHIVE', 'The archive has too many files.');
  const names = new Map<string, ArchivedFile[]>();
  await readable(async () => {
    for await (const entry of zip.eachEntry()) {
      const name = nameOf(entry);
      if (name.endsWith('/')) continue;
      const known = names.get(name) ?? [];
      known.push({ size: entry.uncompressedSize, read: () => readable(() => readEntry(zip, entry)) });
      names.set(name, known);
    }
  });
  return { names, close: () => zip.close() };
}

const nameOf = ({ generalPurposeBitFlag, fileNameRaw, extraFields }: Entry): string =>
  getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, false).normalize('NFC');

async function readEntry(zip: ZipFile, entry: Entry): Promise<Readable> {
  if (entry.isEncrypted() || !entry.canDecodeFileData()) {
    throw new AppError(
      'ENROLMENT.BAD_ARCHIVE',
      'A file of the archive is encrypted, or compressed in a way of its own.',
    );
  }
  return zip.openReadStreamPromise(entry);
}

/** @throws AppError `ENROLMENT.BAD_ARCHIVE` in the place of what the reader of archives says */
async function readable<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('ENROLMENT.BAD_ARCHIVE', 'The archive is damaged or no zip.', { cause: error });
  }
}

class SealedReader extends RandomAccessReader {
  constructor(private readonly file: SealedFile) {
    super();
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return this.file.read(start, end);
  }
}
