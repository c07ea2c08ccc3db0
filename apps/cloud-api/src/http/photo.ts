import type { Multipart, MultipartFile } from '@fastify/multipart';
import { AppError, isAppError } from '@sightline/kernel';
import { Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';

import { Turnstile } from './turnstile.js';

/** Largest photo accepted, bytes. */
export const PHOTO_BYTES = 20 * 1024 * 1024;

/** Photos in memory at once, 640 MB at most. Who waits for a place has sent no more than the sockets buffer. */
const PHOTOS_HELD = 32;
const PHOTOS_WAITING = 512;

const photoContentType = /^image\/(?:jpeg|png|webp)(?:;|$)/;

/** Leaves a photo that is the body itself unread: it is read when the key is checked and there is room for it. */
export function takePhotoBodies(fastify: Pick<FastifyInstance, 'addContentTypeParser'>): void {
  fastify.addContentTypeParser(photoContentType, (_request, body, done) => done(null, body));
}

/** Takes the photos of requests, so many at a time. */
@Injectable()
export class PhotoIntake {
  readonly #turnstile = new Turnstile({ places: PHOTOS_HELD, waiting: PHOTOS_WAITING });

  /**
   * Works with the photo of a request: the multipart field `photo`, or the body itself.
   *
   * @throws AppError `REQUEST.INVALID` (no photo, or several), `REQUEST.TOO_LARGE`,
   *   `REQUEST.UNSUPPORTED_MEDIA_TYPE`, `REQUEST.RATE_LIMITED` (retryable); what the work throws
   */
  take<T>(request: FastifyRequest, work: (photo: Uint8Array) => Promise<T>): Promise<T> {
    return this.#turnstile.pass(async () => work(await readPhoto(request)));
  }
}

async function readPhoto(request: FastifyRequest): Promise<Uint8Array> {
  if (request.body instanceof Readable) return notEmpty(await readBody(request.body));
  if (!request.isMultipart()) {
    throw new AppError(
      'REQUEST.UNSUPPORTED_MEDIA_TYPE',
      'Send the photo as image/jpeg, image/png or image/webp, or as the multipart field "photo".',
    );
  }
  try {
    return notEmpty(await readForm(request));
  } catch (error) {
    if (isAppError(error) || codeOf(error) === 'FST_REQ_FILE_TOO_LARGE') throw error;
    // The parser's own errors (a form without boundary or end, too many fields) have no status of a client's fault.
    throw new AppError('REQUEST.INVALID', 'The form is malformed, or has other fields than the one file "photo".', {
      cause: error,
    });
  }
}

async function readBody(body: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Not iterated to the end: that would cut the connection before the answer.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > PHOTO_BYTES) throw new AppError('REQUEST.TOO_LARGE', 'The photo has more than 20 MiB.');
    }
  } catch (error) {
    if (isAppError(error)) throw error;
    throw new AppError('REQUEST.INVALID', 'The photo did not arrive whole.', { cause: error });
  }
  return Buffer.concat(chunks);
}

async function readForm(request: FastifyRequest): Promise<Uint8Array> {
  let photo: Uint8Array | undefined;
  for await (const part of request.parts()) {
    if (!isPhoto(part) || photo !== undefined) {
      // An unread file would keep the parser from ending.
      if (part.type === 'file') part.file.resume();
      throw new AppError('REQUEST.INVALID', 'The form has exactly one field, the file "photo".');
    }
    photo = await part.toBuffer();
  }
  if (photo === undefined) throw new AppError('REQUEST.INVALID', 'The form has no file "photo".');
  return photo;
}

const isPhoto = (part: Multipart): part is MultipartFile => part.type === 'file' && part.fieldname === 'photo';
const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

function notEmpty(photo: Uint8Array): Uint8Array {
  if (photo.length === 0) throw new AppError('REQUEST.INVALID', 'The photo is empty.');
  return photo;
}
