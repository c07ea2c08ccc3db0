import { ActivationObserver } from '../activations.js';
import type { OnnxModel } from '../graph.js';
import { GraphDraft } from '../graph-draft.js';
import { writeModel } from '../model-file.js';
import { channelsOf, type CalibrationWalk, type ChannelStatistics } from './channel-statistics.js';
import type { Range } from './code.js';
import { ValueHistogram, type RangeMethod } from './value-histogram.js';

interface RangeSearch extends CalibrationWalk {
  readonly method: RangeMethod;
  /** Of the values, for the least and the largest that will come. */
  readonly statistics: ReadonlyMap<string, ChannelStatistics>;
  /** By which the channels of values were multiplied since. */
  readonly factors: ReadonlyMap<string, readonly number[]>;
}

/** Walks over the inputs once, and finds the range of each value that is to be coded. */
export async function valueRanges(model: OnnxModel, search: RangeSearch): Promise<ReadonlyMap<string, Range>> {
  const { statistics, factors, method, inputs, signal, onProgress } = search;
  const histograms = new Map(
    [...statistics].map(([value, own]) => [value, new ValueHistogram(seenRange(own, factors.get(value)))]),
  );
  const slopes = slopesOfReaders(model);
  const values = [...statistics.keys()];
  const observer = await ActivationObserver.open(writeModel(model), values);
  try {
    await observer.observe({
      values,
      inputs: inputs(),
      signal,
      onProgress,
      visit: (activations) => {
        for (const [name, { shape, values: numbers }] of activations) {
          const histogram = histograms.get(name);
          if (histogram) addAll(histogram, numbers, channelsOf(shape), slopes.get(name));
        }
      },
    });
  } finally {
    await observer.close();
  }
  return new Map([...histograms].map(([value, histogram]) => [value, histogram.range(method)]));
}

/** What PRelu makes of an error below 0 is smaller by its slope, and the square of it by the slope's square. */
function addAll(
  histogram: ValueHistogram,
  values: Float32Array,
  channels: number,
  slopes: Float32Array | undefined,
): void {
  if (slopes === undefined) {
    histogram.add(values, 0, values.length, 1);
    return;
  }
  const size = values.length / channels;
  for (let channel = 0; channel < channels; channel++) {
    const slope = slopes[channel % slopes.length] ?? 1;
    histogram.add(values, channel * size, (channel + 1) * size, slope * slope);
  }
}

/** The slopes of the PRelu that reads a value. */
function slopesOfReaders(model: OnnxModel): ReadonlyMap<string, Float32Array> {
  const draft = new GraphDraft(model);
  return new Map(
    model.nodes.flatMap((node): [string, Float32Array][] => {
      const slopes = node.opType === 'PRelu' ? draft.floats(node.inputs[1]) : undefined;
      return slopes ? [[node.inputs[0] ?? '', slopes.values]] : [];
    }),
  );
}

function seenRange({ lows, highs }: ChannelStatistics, factors: readonly number[] | undefined): Range {
  let [low, high] = [0, 0];
  lows.forEach((value, channel) => {
    const factor = factors?.[channel] ?? 1;
    low = Math.min(low, value * factor);
    high = Math.max(high, (highs[channel] ?? 0) * factor);
  });
  return { low, high };
}
