/** A larger buffer is not kept: photos of that size are rare. A 4K frame has 25 MB. */
const LARGEST_KEPT_BYTES = 32 * 2 ** 20;

/**
 * Shared memory for frames that lie in memory of their own. Fresh memory costs more than the copy into it, so a
 * few buffers are used again.
 */
export class FrameBuffers {
  readonly #limit: number;
  #spare: readonly SharedArrayBuffer[] = [];

  /** @param limit how many are kept */
  constructor(limit: number) {
    this.#limit = limit;
  }

  copyOf(data: Uint8Array): Uint8Array {
    const fitting = this.#spare.find(({ byteLength }) => byteLength >= data.length);
    this.#spare = this.#spare.filter((buffer) => buffer !== fitting);
    const copy = new Uint8Array(fitting ?? new SharedArrayBuffer(data.length), 0, data.length);
    copy.set(data);
    return copy;
  }

  /** @param copy one of {@link copyOf}'s that no thread reads any more */
  giveBack({ buffer }: Uint8Array): void {
    if (!(buffer instanceof SharedArrayBuffer) || buffer.byteLength > LARGEST_KEPT_BYTES) return;
    this.#spare = [buffer, ...this.#spare].slice(0, this.#limit);
  }
}
