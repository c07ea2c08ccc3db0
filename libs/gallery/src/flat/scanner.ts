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

/** Multiplies probes with blocks of codes. */
export interface Scanner {
  /**
   * @returns one array for each probe: the dot product of its codes and each column's. Exact.
   */
  scan(probes: readonly Coded[], block: CodeBlock): Promise<readonly Int32Array[]>;
}

/** @throws AppError `MODEL.INVALID` where ONNX Runtime cannot multiply integers */
export async function openScanner(): Promise<Scanner> {
  const session = await openSession(matmulModel());

  const multiply = async (probes: readonly Coded[], { codes, dimension, capacity, sums }: CodeBlock) => {
    const unsigned = new Uint8Array(probes.length * dimension);
    // Unsigned, since that is what the fast kernels take on the probes' side.
    probes.forEach((probe, index) => {
      for (let at = 0; at < dimension; at += 1) {
        unsigned[index * dimension + at] = (probe.codes[at] ?? 0) + largestProbeCode;
      }
    });
    const { products } = await session.run({
      probes: new Tensor('uint8', unsigned, [probes.length, dimension]),
      codes: new Tensor('int8', codes, [dimension, capacity]),
    });
    const data = products?.data;
    if (!(data instanceof Int32Array)) throw new TypeError('the product of whole numbers is an int32 tensor');
    return probes.map((_, index) => {
      const dots = data.subarray(index * capacity, (index + 1) * capacity);
      for (let column = 0; column < capacity; column += 1) {
        dots[column] = (dots[column] ?? 0) - largestProbeCode * (sums[column] ?? 0);
      }
      return dots;
    });
  };

  return {
    scan: async (probes, block) => {
      if (probes.length > aloneUpTo) return multiply(probes, block);
      const dots: Int32Array[] = [];
      for (const probe of probes) dots.push(...(await multiply([probe], block)));
      return dots;
    },
  };
}
