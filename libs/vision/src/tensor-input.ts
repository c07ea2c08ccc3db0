/** How RGB pixels become an input tensor: (value − mean) / scale, value 0 to 255. */
export interface InputFormat {
  readonly width: number;
  readonly height: number;
  /** The order of the planes; grey is ITU-R BT.601 luma. */
  readonly channels: 'rgb' | 'bgr' | 'grey';
  /** One for all channels, or one each, in the order of `channels`. */
  readonly mean: readonly number[];
  readonly scale: readonly number[];
}

/** Channels of the tensor. */
export function channelCount({ channels }: Pick<InputFormat, 'channels'>): number {
  return channels === 'grey' ? 1 : 3;
}

/** A channel becomes (value − mean) · factor. */
export function normalisation({ mean, scale }: InputFormat, channel: number): { mean: number; factor: number } {
  return { mean: mean[channel] ?? mean[0] ?? 0, factor: 1 / (scale[channel] ?? scale[0] ?? 1) };
}
