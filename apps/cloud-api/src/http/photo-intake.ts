import { AppError, type Clock } from '@sightline/kernel';
import type { RequestCaller } from '@sightline/rest-server';
import type { FastifyRequest } from 'fastify';

import { FairShare } from './fair-share.js';
import {
  isPhotoBody,
  readPhotoBody,
  readPhotoForm,
  type FormShape,
  type Hold,
  type PhotoForm,
} from './photo-upload.js';
import type { Turn } from './turnstile.js';
import { whileConnected } from './while-connected.js';

/** Bytes of photos in memory at once, of all clients, those that still arrive included. */
const HELD_BYTES = 512 * 1024 * 1024;
/** How long a client that sends a photo may send nothing at all, ms. */
const STALLED_MS = 15_000;

export interface PhotoIntakeOptions {
  readonly clock: Clock;
  /** Default: 512 MiB. */
  readonly heldBytes?: number;
}

const onePhoto: FormShape = {
  photos: ['photo'],
  fields: [],
  sentence: 'The form has exactly one field, the file "photo".',
};

/**
 * Reads the photos of requests. Bounds what they take of memory all together, gives each API key a fair share of it,
 * and waits for nobody who has stopped sending.
 */
export class PhotoIntake {
  readonly #room: FairShare;
  readonly #clock: Clock;

  constructor({ clock, heldBytes = HELD_BYTES }: PhotoIntakeOptions) {
    this.#room = new FairShare(heldBytes);
    this.#clock = clock;
  }

  /**
   * Works with the photo of a request: the multipart field `photo`, or the body itself.
   *
   * @param work told for whom it is, and when the client has gone away: then nobody waits for it
   * @throws AppError `REQUEST.INVALID` (no photo, or several), `REQUEST.TOO_LARGE`, `REQUEST.UNSUPPORTED_MEDIA_TYPE`,
   *   `REQUEST.RATE_LIMITED` (retryable), `REQUEST.TIMEOUT` (retryable), `REQUEST.ABORTED`; what the work throws
   */
  async take<T>(
    request: FastifyRequest,
    caller: RequestCaller,
    work: (photo: Uint8Array, turn: Turn) => Promise<T>,
  ): Promise<T> {
    const read = (hold: Hold): Promise<Uint8Array> =>
      isPhotoBody(request) ? readPhotoBody(request, hold) : readOnePhoto(request, hold);
    if (!isPhotoBody(request)) assertMultipart(request, 'as image/jpeg, image/png or image/webp, or in a form');
    return this.#during(request, caller, read, work);
  }

  /** Works with a form of photos and fields; throws as {@link take} does. */
  async takeForm<T>(
    request: FastifyRequest,
    caller: RequestCaller,
    shape: FormShape,
    work: (form: PhotoForm, turn: Turn) => Promise<T>,
  ): Promise<T> {
    assertMultipart(request, 'in a form');
    return this.#during(request, caller, (hold) => readPhotoForm(request, shape, hold), work);
  }

  async #during<Upload, T>(
    request: FastifyRequest,
    { actor: client }: RequestCaller,
    read: (hold: Hold) => Promise<Upload>,
    work: (upload: Upload, turn: Turn) => Promise<T>,
  ): Promise<T> {
    let [own, over] = [0, false];
    // Counted as they arrive: a client that sends slowly holds up nobody.
    const hold: Hold = (bytes) => {
      if (over || !this.#room.take(client, bytes)) return false;
      own += bytes;
      return true;
    };
    try {
      return await whileConnected(request, async (signal) =>
        work(await this.#arrived(request, read(hold)), { client, signal }),
      );
    } finally {
      over = true;
      this.#room.give(client, own);
    }
  }

  /** What is being read, unless its sender stalls. */
  async #arrived<Upload>(request: FastifyRequest, reading: Promise<Upload>): Promise<Upload> {
    const ended = new AbortController();
    const stalled = this.#stalled(request, ended.signal);
    // Whichever comes second is of no interest.
    stalled.catch(() => undefined);
    reading.catch(() => undefined);
    try {
      return await Promise.race([reading, stalled]);
    } finally {
      ended.abort();
    }
  }

  async #stalled({ raw: { socket } }: FastifyRequest, signal: AbortSignal): Promise<never> {
    for (let seen = socket.bytesRead; ; seen = socket.bytesRead) {
      await this.#clock.sleep(STALLED_MS, signal);
      if (socket.bytesRead === seen) {
        throw new AppError('REQUEST.TIMEOUT', 'The photo stopped arriving.', { retryable: true });
      }
    }
  }
}

async function readOnePhoto(request: FastifyRequest, hold: Hold): Promise<Uint8Array> {
  const { photos } = await readPhotoForm(request, onePhoto, hold);
  const photo = photos.get('photo');
  if (photo === undefined) throw new AppError('REQUEST.INVALID', 'The form has no file "photo".');
  return photo;
}

function assertMultipart(request: FastifyRequest, how: string): void {
  if (request.isMultipart()) return;
  throw new AppError('REQUEST.UNSUPPORTED_MEDIA_TYPE', `Send the photo ${how} (multipart/form-data).`);
}
