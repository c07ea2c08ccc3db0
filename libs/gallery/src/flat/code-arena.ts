import { AppError } from '@sightline/kernel';

import { openKernels, type GalleryKernels } from './kernels.js';

const pageBytes = 65_536;
/** A cache line. */
const alignment = 64;
/** Nothing of the module's own lies below. */
const firstAddress = 1024;
/** What 32-bit addresses reach. */
export const largestArenaBytes = 2 ** 32 - pageBytes;
/** Memory is asked for in pieces of 4 MiB: growing moves nothing, but makes all views anew. */
const growthPages = 64;

/**
 * The kernels' memory, handed out in pieces that never move. What is given back is zero at once, and serves the next
 * who wants as much; to the machine it is given back with the arena.
 */
export class CodeArena {
  readonly kernels: GalleryKernels = openKernels();
  readonly #free = new Map<number, number[]>();
  #end = firstAddress;
  #bytes = new Uint8Array(this.kernels.memory.buffer);
  #ints = new Int32Array(this.kernels.memory.buffer);
  #floats = new Float32Array(this.kernels.memory.buffer);

  /** All of the memory, by byte. Void after the next {@link allocate}, like the other two. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** By address / 4. */
  get ints(): Int32Array {
    return this.#ints;
  }

  /** By address / 4. */
  get floats(): Float32Array {
    return this.#floats;
  }

  /** @returns the address of that many zeros. @throws AppError `GALLERY.FULL` beyond 4 GiB */
  allocate(bytes: number): number {
    const size = aligned(bytes);
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) return free;
    const address = this.#end;
    if (address + size > largestArenaBytes) {
      throw new AppError('GALLERY.FULL', 'The codes of a flat gallery cannot take more than 4 GiB.');
    }
    this.#end += size;
    this.#reserve();
    return address;
  }

  /** @param bytes as it was allocated with */
  release(address: number, bytes: number): void {
    const size = aligned(bytes);
    this.#bytes.fill(0, address, address + size);
    const free = this.#free.get(size);
    if (free) free.push(address);
    else this.#free.set(size, [address]);
  }

  #reserve(): void {
    const { memory } = this.kernels;
    const missing = this.#end - memory.buffer.byteLength;
    if (missing <= 0) return;
    const pages = Math.ceil(missing / pageBytes);
    const room = (largestArenaBytes - memory.buffer.byteLength) / pageBytes;
    memory.grow(Math.min(room, Math.max(pages, growthPages)));
    this.#bytes = new Uint8Array(memory.buffer);
    this.#ints = new Int32Array(memory.buffer);
    this.#floats = new Float32Array(memory.buffer);
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
