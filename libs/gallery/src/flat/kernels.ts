import { instantiateWebAssembly } from '@sightline/kernel';

import { kernelModule } from '../generated/kernels.js';

/** What `assembly/index.ts` exports; its docstrings hold. */
export interface GalleryKernels {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  scan(
    rows: number,
    run: number,
    groups: number,
    stride: number,
    probe: number,
    weights: number,
    residuals: number,
    bar: number,
    found: number,
  ): number;
  scanListed(
    addresses: number,
    groups: number,
    stride: number,
    probe: number,
    weights: number,
    residuals: number,
    bar: number,
    found: number,
  ): number;
  rank(
    products: number,
    run: number,
    groups: number,
    probes: number,
    weights: number,
    residuals: number,
    terms: number,
    found: number,
  ): number;
}

/** An instance with a memory of its own. */
export function openKernels(): GalleryKernels {
  return instantiateWebAssembly(kernelModule) as GalleryKernels;
}
