/** How RGB bytes become an input tensor: (value − mean) / scale, value 0 to 255. */
export interface InputFormat {
  readonly width: number;
  readonly height: number;
  readonly channels: 'rgb' | 'bgr' | 'grey';
  /** One for all channels, or one each, in the order of `channels`. */
  readonly mean: readonly number[];
  readonly scale: readonly number[];
}

/** ITU-R BT.601 luma. */
const GREY_WEIGHTS = [0.299, 0.587, 0.114] as const;

/** Channels of the tensor. */
export function channelCount({ channels }: Pick<InputFormat, 'channels'>): number {
  return channels === 'grey' ? 1 : 3;
}

/**
 * The input tensor of a picture that already has the input's size.
 *
 * @param rgb `width × height × 3` bytes, interleaved
 * @returns [1, channels, height, width] float32 values
 */
export function toTensor(rgb: Uint8Array, format: InputFormat): Float32Array {
  const pixels = format.width * format.height;
  const values = new Float32Array(pixels * channelCount(format));
  if (format.channels === 'grey') {
    const [red, green, blue] = GREY_WEIGHTS;
    const { mean, scale } = normalisation(format, 0);
    for (let pixel = 0, at = 0; pixel < pixels; pixel++, at += 3) {
      const grey = (rgb[at] ?? 0) * red + (rgb[at + 1] ?? 0) * green + (rgb[at + 2] ?? 0) * blue;
      values[pixel] = (grey - mean) / scale;
    }
    return values;
  }
  for (let channel = 0; channel < 3; channel++) {
    const { mean, scale } = normalisation(format, channel);
    const source = format.channels === 'bgr' ? 2 - channel : channel;
    const plane = channel * pixels;
    for (let pixel = 0, at = source; pixel < pixels; pixel++, at += 3) {
      values[plane + pixel] = ((rgb[at] ?? 0) - mean) / scale;
    }
  }
  return values;
}

function normalisation({ mean, scale }: InputFormat, channel: number): { mean: number; scale: number } {
  return { mean: mean[channel] ?? mean[0] ?? 0, scale: scale[channel] ?? scale[0] ?? 1 };
}
