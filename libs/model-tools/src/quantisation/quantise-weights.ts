import type { FloatTensor } from '../tensor.js';

/** Signed integers for the weights of a layer, with one scale for each of its outputs. */
interface QuantisedWeights {
  /** In the order of the float weights. */
  readonly integers: Int8Array;
  /** 32-bit floats, positive. */
  readonly scales: Float32Array;
  /** At `scale of the input · scale of the output`; undefined when the layer has no bias. */
  readonly bias: readonly number[] | undefined;
}

interface Layer {
  readonly weights: FloatTensor;
  /** The axis of the weights that counts the outputs. */
  readonly axis: number;
  readonly bias: FloatTensor | undefined;
  readonly inputScale: number;
}

/** Sums are kept in 32 bits: a bias may fill half of them. */
const LARGEST_BIAS = 2 ** 30;
/** Of a channel with nothing but zeros, and the least that any has: 32-bit floats stay normal when multiplied. */
const SMALLEST_SCALE = 1e-12;

/**
 * Quantises weights symmetrically, each output's to its own scale. Where a bias would not fit into 32 bits at the
 * scale of input and weights, the weights of that output get a larger one.
 *
 * @param bits 8: from −127 to 127; 7: from −63 to 63, for processors whose 8-bit products of two saturate at 16 bits
 */
export function quantiseWeights({ weights, axis, bias, inputScale }: Layer, bits: 7 | 8): QuantisedWeights {
  const largest = 2 ** (bits - 1) - 1;
  const outputs = weights.dims[axis] ?? 1;
  const inner = weights.dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const outputOf = (index: number): number => Math.floor(index / inner) % outputs;
  const peaks = new Float64Array(outputs);
  weights.values.forEach((weight, index) => {
    peaks[outputOf(index)] = Math.max(peaks[outputOf(index)] ?? 0, Math.abs(weight));
  });
  const scales = Float32Array.from(peaks, (peak, output) => {
    const forBias = Math.abs(bias?.values[output] ?? 0) / (inputScale * LARGEST_BIAS);
    return Math.max(peak / largest, forBias, SMALLEST_SCALE);
  });
  const integers = Int8Array.from(weights.values, (weight, index) =>
    Math.max(-largest, Math.min(largest, Math.round(weight / (scales[outputOf(index)] ?? 1)))),
  );
  const coded =
    bias && [...bias.values].map((value, output) => Math.round(value / (inputScale * (scales[output] ?? 1))));
  return { integers, scales, bias: coded };
}
