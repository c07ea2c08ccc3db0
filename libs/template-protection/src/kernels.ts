import { instantiateWebAssembly } from '@sightline/kernel';

import { kernelModule } from './generated/kernels.js';

const PAGE_BYTES = 65_536;
/** Nothing of the module's own lies below. */
export const KERNEL_START = 1024;

/** What `assembly/index.ts` exports; its docstrings hold. */
export interface TemplateKernels {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  multiply(matrix: number, rows: number, columns: number, vector: number, product: number): void;
  scan(rows: number, groups: number, stride: number, probe: number, bar: number, found: number): number;
}

/** An instance with a memory of its own. */
export function openKernels(): TemplateKernels {
  return instantiateWebAssembly(kernelModule) as TemplateKernels;
}

/** Makes the memory reach to an address at least. Views of the memory taken before are void after it has grown. */
export function reserve({ memory }: TemplateKernels, end: number): void {
  const missing = end - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
}
