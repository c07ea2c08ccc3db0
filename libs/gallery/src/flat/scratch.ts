import type { CodeArena } from './code-arena.js';

/** A piece of the arena that grows by being replaced: what a kernel is given and gives back. */
export class Scratch {
  readonly #arena: CodeArena;
  #address = 0;
  #bytes = 0;

  constructor(arena: CodeArena) {
    this.#arena = arena;
  }

  /** @returns the address of at least that many bytes, of whatever content */
  of(bytes: number): number {
    if (bytes > this.#bytes) {
      if (this.#bytes > 0) this.#arena.release(this.#address, this.#bytes);
      this.#address = this.#arena.allocate(bytes);
      this.#bytes = bytes;
    }
    return this.#address;
  }
}
