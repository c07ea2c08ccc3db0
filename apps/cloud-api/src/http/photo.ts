import type { Multipart, MultipartFile } from '@fastify/multipart';
import { AppError, isAppError } from '@sightline/kernel';
import { Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';

/** Largest photo accepted, bytes. */
export const PHOTO_BYTES = 20 * 1024 * 1024;
/** Bytes of photos in memory at once, those that still arrive included. */
const HELD_BYTES = 512 * 1024 * 1024;

const photoContentType = /^image\/(?:jpeg|png|webp)(?:;|$)/;

/** Leaves a photo that is the body itself unread until the request's key has been checked. */
export function takePhotoBodies(fastify: Pick<FastifyInstance, 'addContentTypeParser'>): void {
  fastify.addContentTypeParser(photoContentType, (_request, body, done) => done(null, body));
}

/** Reads the photos of requests, and bounds what they take of memory all together. */
@Injectable()
export class PhotoIntake {
  #heldBytes = 0;

  /**
   * Works with the photo of a request: the multipart field `photo`, or the body itself.
   *
   * @throws AppError `REQUEST.INVALID` (no photo, or several), `REQUEST.TOO_LARGE`,
   *   `REQUEST.UNSUPPORTED_MEDIA_TYPE`, `REQUEST.RATE_LIMITED` (retryable); what the work throws
   */
  async take<T>(request: FastifyRequest, work: (photo: Uint8Array) => Promise<T>): Promise<T> {
    let own = 0;
    // Counted as they arrive: a client that sends slowly holds up nobody.
    const hold = (bytes: number): boolean => {
      if (this.#heldBytes + bytes > HELD_BYTES) return false;
      own += bytes;
      this.#heldBytes += bytes;
      return true;
    };
    try {
      return await work(await readPhoto(request, hold));
    } finally {
      this.#heldBytes -= own;
    }
  }
}

/** Counts bytes that are kept; false: there is no room for them. */
type Hold = (bytes: number) => boolean;

async function readPhoto(request: FastifyRequest, hold: Hold): Promise<Uint8Array> {
  const isBody = request.body instanceof Readable;
  if (!isBody && !request.isMultipart()) {
    throw new AppError(
      'REQUEST.UNSUPPORTED_MEDIA_TYPE',
      'Send the photo as image/jpeg, image/png or image/webp, or as the multipart field "photo".',
    );
  }
  // Not one byte of it is read: Node throws the rest away by itself then.
  if (isBody && Number(request.headers['content-length']) > PHOTO_BYTES) throw tooLarge();
  try {
    const photo = await (request.body instanceof Readable ? readAll(request.body, hold) : readForm(request, hold));
    if (photo.length === 0) throw new AppError('REQUEST.INVALID', 'The photo is empty.');
    return photo;
  } catch (error) {
    if (isAppError(error)) throw error;
    // A connection that broke, or an error of the form's parser, which has no status of a client's fault.
    const sentence = isBody
      ? 'The photo did not arrive whole.'
      : 'The form is malformed, or has other fields than the one file "photo".';
    throw new AppError('REQUEST.INVALID', sentence, { cause: error });
  }
}

async function readForm(request: FastifyRequest, hold: Hold): Promise<Uint8Array> {
  let photo: Uint8Array | undefined;
  for await (const part of request.parts()) {
    if (!isPhoto(part) || photo !== undefined) {
      // An unread file would keep the parser from ending.
      if (part.type === 'file') part.file.resume();
      throw new AppError('REQUEST.INVALID', 'The form has exactly one field, the file "photo".');
    }
    photo = await readAll(part.file, hold);
    if (part.file.truncated) throw tooLarge();
  }
  if (photo === undefined) throw new AppError('REQUEST.INVALID', 'The form has no file "photo".');
  return photo;
}

/** Reads to the end even what it refuses: the rest would stand before the connection's next request for ever. */
async function readAll(stream: Readable, hold: Hold): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let refusal: AppError | undefined;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > PHOTO_BYTES) refusal ??= tooLarge();
    else if (refusal === undefined && !hold(chunk.length)) refusal = noRoom();
    if (refusal === undefined) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (refusal !== undefined) throw refusal;
  return Buffer.concat(chunks);
}

const noRoom = (): AppError =>
  new AppError('REQUEST.RATE_LIMITED', 'Too many photos are being sent. Try again.', { retryable: true });

const tooLarge = (): AppError => new AppError('REQUEST.TOO_LARGE', 'The photo has more than 20 MiB.');
const isPhoto = (part: Multipart): part is MultipartFile => part.type === 'file' && part.fieldname === 'photo';
