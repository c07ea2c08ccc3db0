import type { Geometry } from '../convolution-geometry.js';
import type { ProofTensor } from '../run-model.js';

/**
 * Places of a plane, spread over all of it in an order that looks like chance, and differs from one input to the
 * next (the golden ratio's sequence, as a shuffle that needs no memory).
 */
export function placesOf(plane: number, wanted: number, seed: number): readonly number[] {
  if (plane <= wanted) return Array.from({ length: plane }, (_, place) => place);
  const phase = (seed * 0.754_877_666_246_692_8) % 1;
  return Array.from({ length: wanted }, (_, index) =>
    Math.floor((((index + phase) * 0.618_033_988_749_894_9) % 1) * plane),
  );
}

/** How many numbers of the input one output of a 2-D convolution sees. */
export function patchSize({ channels, kernel }: Geometry): number {
  return channels[1] * (kernel[0] ?? 1) * (kernel[1] ?? 1);
}

/**
 * What the outputs of a convolution of one group see of the input when they are computed at a place of the output's
 * plane, in the order of the weights: [inputs, kernel…].
 *
 * @param outputWidth of the output's plane
 */
export function copyPatch(
  { shape, values }: ProofTensor,
  { kernel, strides, begin, dilations, channels }: Geometry,
  place: number,
  outputWidth: number,
  into: Float64Array,
): void {
  const [, , height = 0, width = 0] = shape;
  const ys = steps(Math.floor(place / outputWidth), kernel[0], strides[0], begin[0], dilations[0]);
  const xs = steps(place % outputWidth, kernel[1], strides[1], begin[1], dilations[1]);
  let at = 0;
  for (let channel = 0; channel < channels[1]; channel++) {
    for (const y of ys) {
      const start = (channel * height + y) * width;
      for (const x of xs) {
        const isInside = y >= 0 && y < height && x >= 0 && x < width;
        into[at++] = isInside ? (values[start + x] ?? 0) : 0;
      }
    }
  }
}

/** Where the places of a kernel lie along one axis of the input; outside of it they see zeros. */
function steps(place: number, kernel = 1, stride = 1, begin = 0, dilation = 1): readonly number[] {
  return Array.from({ length: kernel }, (_, step) => place * stride - begin + step * dilation);
}
