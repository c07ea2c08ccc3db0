import { randomBytes } from 'node:crypto';
import { pipeline, Transform, type Readable } from 'node:stream';

import { AppError, isAppError } from '@sightline/kernel';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import { PHOTO_BYTES } from '../../http/photo-upload.js';
import type { EnrolmentFiles } from './enrolment-files.js';

/** What one enrolment may take of the disk, bytes. */
const UPLOAD_BYTES = 4 * 1024 * 1024 * 1024;
const TABLE_BYTES = 64 * 1024 * 1024;
const MOST_PHOTOS = 50_000;
const KEY_BYTES = 32;

const zip = /^application\/(?:zip|x-zip-compressed)(?:;|$)/;

/** A key for one enrolment's files. */
export const newFileKey = (): Uint8Array => new Uint8Array(randomBytes(KEY_BYTES));

/** Leaves an archive that is the body itself unread until the request's key has been checked. */
export function takeArchiveBodies(fastify: Pick<FastifyInstance, 'addContentTypeParser'>): void {
  fastify.addContentTypeParser(zip, { bodyLimit: UPLOAD_BYTES }, (_request, body, done) => done(null, body));
}

/**
 * Writes what a request brings into the enrolment's folder: a zip as the body or as the file `archive`, or the file
 * `people` (CSV) and photos by their file names.
 *
 * @throws AppError `REQUEST.INVALID`, `REQUEST.TOO_LARGE`, `REQUEST.UNSUPPORTED_MEDIA_TYPE`
 */
export async function receiveEnrolment(request: FastifyRequest, files: EnrolmentFiles): Promise<void> {
  const room = { left: UPLOAD_BYTES };
  try {
    if (request.isMultipart()) await receiveForm(request, { files, room });
    else if (zip.test(request.headers['content-type'] ?? '')) {
      await files.writeArchive(bounded(request.body as Readable, { room, most: UPLOAD_BYTES }));
    } else {
      throw new AppError(
        'REQUEST.UNSUPPORTED_MEDIA_TYPE',
        'Send a zip (application/zip), or a form (multipart/form-data).',
      );
    }
  } catch (error) {
    // What nobody reads would stand before the connection's next request for ever.
    request.raw.unpipe();
    request.raw.resume();
    if (isAppError(error)) throw error;
    throw new AppError('REQUEST.INVALID', 'The upload did not arrive whole.', { cause: error });
  }
}

interface Room {
  left: number;
}

interface Receiving {
  readonly files: EnrolmentFiles;
  readonly room: Room;
}

const SENTENCE = 'The form has the file "archive" (zip), or the file "people" (CSV) and photos with their file names.';

async function receiveForm(request: FastifyRequest, { files, room }: Receiving): Promise<void> {
  let [tables, archives, photos] = [0, 0, 0];
  // The limits of one part; what they add up to is counted.
  const limits = { fileSize: UPLOAD_BYTES, files: MOST_PHOTOS + 1, parts: MOST_PHOTOS + 1, fields: 0 };
  for await (const part of request.parts({ limits })) {
    if (part.type !== 'file') throw new AppError('REQUEST.INVALID', SENTENCE);
    const { fieldname, filename, file } = part;
    if (fieldname === 'archive') {
      if ((archives += 1) > 1) throw new AppError('REQUEST.INVALID', SENTENCE);
      await files.writeArchive(bounded(file, { room, most: UPLOAD_BYTES }));
    } else if (fieldname === 'people') {
      if ((tables += 1) > 1) throw new AppError('REQUEST.INVALID', SENTENCE);
      await files.writeTable(bounded(file, { room, most: TABLE_BYTES }));
    } else {
      photos += 1;
      const isNew = await files.writePhoto(filename, bounded(file, { room, most: PHOTO_BYTES }));
      if (!isNew) throw new AppError('REQUEST.INVALID', 'Two photos have one file name.');
    }
  }
  if (archives + tables !== 1 || (archives === 1 && photos > 0)) throw new AppError('REQUEST.INVALID', SENTENCE);
}

function bounded(content: Readable, { room, most }: { readonly room: Room; readonly most: number }): Readable {
  let own = 0;
  const counting = new Transform({
    transform(chunk: Buffer, _, done) {
      own += chunk.length;
      room.left -= chunk.length;
      if (own <= most && room.left >= 0) done(null, chunk);
      else done(new AppError('REQUEST.TOO_LARGE', 'The upload, or one of its files, is too large.'));
    },
  });
  // Also tells of a part that ends without its end.
  return pipeline(content, counting, () => undefined);
}
