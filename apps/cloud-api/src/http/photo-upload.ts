import type { MultipartFile, MultipartValue } from '@fastify/multipart';
import { AppError, isAppError } from '@sightline/kernel';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';

/** Largest photo accepted, bytes. */
export const PHOTO_BYTES = 20 * 1024 * 1024;
/** Largest field of a form that is no file, bytes: a template of the largest dimension takes a third of it. */
const FIELD_BYTES = 64 * 1024;
/** What a form has beside its parts, bytes at most. */
const FORM_BYTES = 64 * 1024;
/** Parts that are read, to say that they are too many. */
const PARTS_READ = 8;

const photoContentType = /^image\/(?:jpeg|png|webp)(?:;|$)/;

/** Leaves a photo that is the body itself unread until the request's key has been checked. */
export function takePhotoBodies(fastify: Pick<FastifyInstance, 'addContentTypeParser'>): void {
  fastify.addContentTypeParser(photoContentType, (_request, body, done) => done(null, body));
}

/** What a form may hold, each name at most once. */
export interface FormShape {
  readonly photos: readonly string[];
  readonly fields: readonly string[];
  /** What a client is told that sends another form. */
  readonly sentence: string;
}

/** What a form held. */
export interface PhotoForm {
  readonly photos: ReadonlyMap<string, Uint8Array>;
  /** Text, or what a part of the type application/json says. */
  readonly fields: ReadonlyMap<string, unknown>;
}

/** Counts bytes that are kept; false: there is no room for them. */
export type Hold = (bytes: number) => boolean;

/** Whether the request's body is a photo, and nothing else. */
export const isPhotoBody = (request: FastifyRequest): boolean => request.body instanceof Readable;

/**
 * Reads a photo that is the body itself.
 *
 * @throws AppError `REQUEST.INVALID`, `REQUEST.TOO_LARGE`, `REQUEST.RATE_LIMITED` (retryable)
 */
export async function readPhotoBody(request: FastifyRequest, hold: Hold): Promise<Uint8Array> {
  // Not one byte of it is read: Node throws the rest away by itself then.
  if (bodyBytes(request) > PHOTO_BYTES) throw tooLarge();
  return whole(
    request,
    'The photo did not arrive whole.',
    request.body instanceof Readable ? readPhoto(request.body, hold) : Promise.resolve(new Uint8Array()),
  );
}

/**
 * Reads a form of photos.
 *
 * @throws AppError `REQUEST.INVALID`, `REQUEST.TOO_LARGE`, `REQUEST.RATE_LIMITED` (retryable)
 */
export async function readPhotoForm(request: FastifyRequest, shape: FormShape, hold: Hold): Promise<PhotoForm> {
  if (bodyBytes(request) > largestForm(shape)) throw tooLarge();
  return whole(request, `The form is malformed. ${shape.sentence}`, readForm(request, shape, hold));
}

/** @param sentence what to say of a connection that broke, or an error of the form's parser, which is no AppError */
async function whole<T>(request: FastifyRequest, sentence: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    // What nobody reads would stand before the connection's next request for ever.
    request.raw.unpipe();
    request.raw.resume();
    if (isAppError(error)) throw error;
    throw new AppError('REQUEST.INVALID', sentence, { cause: error });
  }
}

async function readForm(request: FastifyRequest, shape: FormShape, hold: Hold): Promise<PhotoForm> {
  const form = { photos: new Map<string, Uint8Array>(), fields: new Map<string, unknown>() };
  const limits = { fileSize: PHOTO_BYTES, files: PARTS_READ, parts: PARTS_READ, fieldSize: FIELD_BYTES };
  for await (const part of request.parts({ limits })) {
    const known = part.type === 'file' ? shape.photos : shape.fields;
    const isNew = !form.photos.has(part.fieldname) && !form.fields.has(part.fieldname);
    if (!known.includes(part.fieldname) || !isNew) throw new AppError('REQUEST.INVALID', shape.sentence);
    if (part.type === 'file') form.photos.set(part.fieldname, await readPhotoPart(part, hold));
    else form.fields.set(part.fieldname, readField(part, hold));
  }
  return form;
}

async function readPhotoPart({ file }: MultipartFile, hold: Hold): Promise<Uint8Array> {
  const photo = await readPhoto(file, hold);
  if (file.truncated) throw tooLarge();
  return photo;
}

function readField({ value, valueTruncated, fieldname }: MultipartValue, hold: Hold): unknown {
  if (valueTruncated) throw new AppError('REQUEST.TOO_LARGE', `The field ${fieldname} is too long.`);
  if (!hold(FIELD_BYTES)) throw noRoom();
  return value;
}

/** Reads to the end even what it refuses: the answer of a client that still sends would be lost otherwise. */
async function readPhoto(stream: Readable, hold: Hold): Promise<Uint8Array> {
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
  if (bytes === 0) throw new AppError('REQUEST.INVALID', 'The photo is empty.');
  return Buffer.concat(chunks);
}

const largestForm = ({ photos, fields }: FormShape): number =>
  photos.length * PHOTO_BYTES + fields.length * FIELD_BYTES + FORM_BYTES;

/** What the client says that it sends; 0 when it does not. */
const bodyBytes = ({ headers }: FastifyRequest): number => Number(headers['content-length'] ?? 0);

const noRoom = (): AppError =>
  new AppError('REQUEST.RATE_LIMITED', 'Too many photos are being sent. Try again.', { retryable: true });
const tooLarge = (): AppError => new AppError('REQUEST.TOO_LARGE', 'A photo has at most 20 MiB.');
