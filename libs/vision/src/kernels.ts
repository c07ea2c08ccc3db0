import { instantiateWebAssembly } from '@sightline/kernel';

import { kernelModule } from './generated/kernels.js';

const PAGE_BYTES = 65_536;
/** Nothing of the module's own lies above; a multiple of every alignment. */
const RESERVED_BYTES = 1024;

/** An address in the kernels' memory. */
type Pointer = number;

/** What `assembly/index.ts` exports; its docstrings hold. */
interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  halve(from: Pointer, width: number, height: number, to: Pointer): void;
  setFrame(frame: Pointer, width: number, height: number): void;
  setMap(a: number, b: number, c: number, d: number, e: number, f: number): void;
  workBytes(width: number, taps: number): number;
  setOutput(width: number, height: number, taps: number, work: Pointer): void;
  toPlanes(
    ...planesMeansFactors: readonly [Pointer, Pointer, Pointer, number, number, number, number, number, number]
  ): void;
  toGrey(plane: Pointer, mean: number, factor: number): void;
  toPicture(bytes: Pointer, luma: Pointer): void;
  statistics(plane: Pointer, width: number, height: number, result: Pointer): void;
}

/** One instance of the kernels, with a memory of its own: for one thread, and one frame at a time. */
export class Kernels {
  readonly run = instantiateWebAssembly(kernelModule) as KernelExports;
  #end = RESERVED_BYTES;

  /** The memory; another one after each call of {@link allocate}. */
  get memory(): ArrayBuffer {
    return this.run.memory.buffer;
  }

  /** Gives up all that was allocated after `end`, an answer of {@link allocate}; by default everything. */
  release(end: Pointer = RESERVED_BYTES): void {
    this.#end = end;
  }

  /** @returns where `bytes` of memory lie, on a multiple of 64; what is in them is left from earlier uses */
  allocate(bytes: number): Pointer {
    const start = this.#end;
    this.#end = Math.ceil((start + bytes) / 64) * 64;
    const missing = this.#end - this.memory.byteLength;
    if (missing > 0) this.run.memory.grow(Math.ceil(missing / PAGE_BYTES));
    return start;
  }
}
