import { ActivationObserver, type InputSource } from '../activations.js';

/** What is known of each channel of a value over all inputs. */
export interface ChannelStatistics {
  readonly lows: Float64Array;
  readonly highs: Float64Array;
  /** The mean over inputs of the largest magnitude. */
  readonly amplitudes: Float64Array;
}

/** The calibration inputs, as often as they are asked for. */
export interface CalibrationWalk {
  readonly inputs: () => InputSource;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Channel k of a tensor [1, channels, …]: a vector [1, n] has n channels of one number. Others have one channel. */
export function channelsOf(shape: readonly number[]): number {
  return shape[0] === 1 && shape.length >= 2 ? (shape[1] ?? 1) : 1;
}

/** Walks over the inputs once. @returns the statistics of each value, and the number of inputs */
export async function channelStatistics(
  model: Uint8Array,
  values: readonly string[],
  { inputs, signal, onProgress }: CalibrationWalk,
): Promise<{ readonly statistics: ReadonlyMap<string, ChannelStatistics>; readonly inputs: number }> {
  const found = new Map<string, ChannelStatistics>();
  const observer = await ActivationObserver.open(model, values);
  try {
    const count = await observer.observe({
      values,
      inputs: inputs(),
      signal,
      onProgress,
      visit: (activations) => {
        for (const [name, { shape, values: numbers }] of activations) {
          const channels = channelsOf(shape);
          const own = found.get(name) ?? emptyStatistics(channels);
          found.set(name, own);
          addTo(own, numbers, channels);
        }
      },
    });
    for (const { amplitudes } of found.values()) {
      amplitudes.forEach((sum, channel) => {
        amplitudes[channel] = sum / count;
      });
    }
    return { statistics: found, inputs: count };
  } finally {
    await observer.close();
  }
}

function emptyStatistics(channels: number): ChannelStatistics {
  return {
    lows: new Float64Array(channels).fill(Number.POSITIVE_INFINITY),
    highs: new Float64Array(channels).fill(Number.NEGATIVE_INFINITY),
    amplitudes: new Float64Array(channels),
  };
}

function addTo({ lows, highs, amplitudes }: ChannelStatistics, values: Float32Array, channels: number): void {
  const size = values.length / channels;
  for (let channel = 0; channel < channels; channel++) {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let index = channel * size; index < (channel + 1) * size; index++) {
      const value = values[index] ?? 0;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    lows[channel] = Math.min(lows[channel] ?? 0, low);
    highs[channel] = Math.max(highs[channel] ?? 0, high);
    amplitudes[channel] = (amplitudes[channel] ?? 0) + Math.max(-low, high, 0);
  }
}
