import type { Multipart, MultipartFile } from '@fastify/multipart';
import { AppError } from '@sightline/kernel';
import type { FastifyRequest } from 'fastify';

/** Largest photo accepted, bytes. */
export const PHOTO_BYTES = 20 * 1024 * 1024;

/** Content types that carry a photo as the body itself. */
export const photoContentType = /^image\/(?:jpeg|png|webp)(?:;|$)/;

/**
 * The photo of a request: the multipart field `photo`, or the body itself.
 *
 * @throws AppError `REQUEST.INVALID` (no photo, or several), `REQUEST.TOO_LARGE`,
 *   `REQUEST.UNSUPPORTED_MEDIA_TYPE`
 */
export async function readPhoto(request: FastifyRequest): Promise<Uint8Array> {
  if (Buffer.isBuffer(request.body)) return checked(request.body);
  if (!request.isMultipart()) {
    throw new AppError(
      'REQUEST.UNSUPPORTED_MEDIA_TYPE',
      'Send the photo as image/jpeg, image/png or image/webp, or as the multipart field "photo".',
    );
  }
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
  return checked(photo);
}

const isPhoto = (part: Multipart): part is MultipartFile => part.type === 'file' && part.fieldname === 'photo';

function checked(photo: Uint8Array): Uint8Array {
  if (photo.length === 0) throw new AppError('REQUEST.INVALID', 'The photo is empty.');
  return photo;
}
