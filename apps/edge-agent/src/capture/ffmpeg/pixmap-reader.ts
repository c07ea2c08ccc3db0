import { AppError } from '@sightline/kernel';
import type { Frame } from '@sightline/vision';

/** As FFmpeg's encoder writes it (binary pixmap of netpbm, 8 bits a channel, no comments): then come the rows. */
const HEADER = /^P6\n(\d{1,5}) (\d{1,5})\n255\n$/;
const HEADER_LINES = 3;
const LONGEST_HEADER = 'P6\n12345 12345\n255\n'.length;
const LINE_END = 0x0a;

export interface PixmapReaderOptions {
  /** Where the pixels of a frame of so many bytes go. */
  readonly buffer: (bytes: number) => Uint8Array;
  readonly onFrame: (frame: Frame) => void;
  /** A larger frame is refused before memory is taken for it. */
  readonly maximumBytes: number;
}

/**
 * Cuts a stream of binary pixmaps (PPM) into frames, whatever the size of its chunks. A pixmap says its own size,
 * so neither a probe nor the log is needed to know it, and a reader that lost its place notices at once.
 * Each byte is copied once.
 */
export class PixmapReader {
  readonly #options: PixmapReaderOptions;
  #header = '';
  #lines = 0;
  #frame: Frame | undefined;
  #filled = 0;

  constructor(options: PixmapReaderOptions) {
    this.#options = options;
  }

  /** @throws AppError `CAPTURE.MALFORMED_OUTPUT` for what is no pixmap of an allowed size; the reader is of no use then */
  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      offset = this.#frame ? this.#fill(this.#frame, chunk, offset) : this.#readHeader(chunk, offset);
    }
  }

  #readHeader(chunk: Uint8Array, offset: number): number {
    let end = offset;
    while (end < chunk.length && this.#lines < HEADER_LINES) {
      const byte = chunk[end] ?? 0;
      this.#header += String.fromCharCode(byte);
      if (byte === LINE_END) this.#lines += 1;
      if (this.#header.length > LONGEST_HEADER) throw malformed();
      end += 1;
    }
    if (this.#lines === HEADER_LINES) this.#begin();
    return end;
  }

  #begin(): void {
    const [, width = 0, height = 0] = (HEADER.exec(this.#header) ?? []).map(Number);
    const bytes = width * height * 3;
    if (bytes === 0 || bytes > this.#options.maximumBytes) throw malformed();
    this.#frame = { width, height, data: this.#options.buffer(bytes) };
    this.#header = '';
    this.#lines = 0;
    this.#filled = 0;
  }

  #fill(frame: Frame, chunk: Uint8Array, offset: number): number {
    const end = Math.min(chunk.length, offset + frame.data.length - this.#filled);
    frame.data.set(chunk.subarray(offset, end), this.#filled);
    this.#filled += end - offset;
    if (this.#filled === frame.data.length) {
      this.#frame = undefined;
      this.#options.onFrame(frame);
    }
    return end;
  }
}

function malformed(): AppError {
  return new AppError('CAPTURE.MALFORMED_OUTPUT', 'What FFmpeg wrote is no sequence of pictures of an allowed size.', {
    retryable: true,
  });
}
