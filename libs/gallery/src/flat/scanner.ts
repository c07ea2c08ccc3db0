import { openSession, Tensor } from '@sightline/onnx-runtime';

import type { CodeBlock } from './code-block.js';
import { largestProbeCode, type Coded } from './codes.js';
import { matmulModel } from './matmul-model.js';

/**
 * Up to here each probe is multiplied alone, by ONNX Runtime's matrix-vector path, which reads a block in place;
 * a matrix product first packs it. Measured at 98,304 templates: 4.6 ms for one probe, 16 for 2 to 4, 23 for 16,
 * 30 for 32.
 */
const aloneUpTo = 3;

/** Added to a probe's codes, since the fast kernels take unsigned ones on that side. */
export const probeOffset = largestProbeCode;

/** Multiplies probes with blocks of codes. */
export interface Scanner {
  /**
   * Exact: the dot product of a probe's and a column's codes is product − `probeOffset` · sums[column].
   *
   * @returns one array for each probe, with a product for each column
   */
  scan(probes: readonly Coded[], block: CodeBlock): Promise<readonly Int32Array[]>;
}

/** @throws AppError `MODEL.INVALID` where ONNX Runtime cannot multiply integers */
export async function openScanner(): Promise<Scanner> {
  const session = await openSession(matmulModel());

  const multiply = async (probes: readonly Coded[], { codes, dimension, capacity }: CodeBlock) => {
    const unsigned = new Uint8Array(probes.length * dimension);
    probes.forEach((probe, index) => {
      for (let at = 0; at < dimension; at += 1) {
        unsigned[index * dimension + at] = (probe.codes[at] ?? 0) + probeOffset;
      }
    });
    const { products } = await session.run({
      probes: new Tensor('uint8', unsigned, [probes.length, dimension]),
      codes: new Tensor('int8', codes, [dimension, capacity]),
    });
    const data = products?.data;
    if (!(data instanceof Int32Array)) throw new TypeError('the product of whole numbers is an int32 tensor');
    return probes.map((_, index) => data.subarray(index * capacity, (index + 1) * capacity));
  };

  return {
    scan: async (probes, block) => {
      if (probes.length > aloneUpTo) return multiply(probes, block);
      const products: Int32Array[] = [];
      for (const probe of probes) products.push(...(await multiply([probe], block)));
      return products;
    },
  };
}
