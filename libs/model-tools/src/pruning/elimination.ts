import { choleskyOf, inverseOf } from '../reconstruction/cholesky.js';
import type { Convolution } from '../convolution.js';
import { floatTensor, type FloatTensor } from '../tensor.js';

/** A convolution that reads a space, and how the space's channels hang together where it reads them. */
export interface ChannelReader {
  readonly convolution: Convolution;
  /** Sums of products of the channels and, last, of 1: [channels + 1, channels + 1]. */
  readonly gram: Float64Array;
}

export interface Elimination {
  /** Channels, the one that is missed the least first. */
  readonly order: readonly number[];
  /** The part of the readers' energy that is lost once as many channels are gone, the others making up for them. */
  readonly losses: readonly number[];
  readonly trial: EliminationTrial;
}

/** The state after a part of the channels is gone. */
export interface EliminationTrial {
  readonly removed: number;
  /** Each reader's weights and bias, the channels that are left making up for the others. */
  readonly readers: readonly { readonly weights: FloatTensor; readonly bias: FloatTensor }[];
}

/** Added to the diagonal, relative to it: a few thousand samples say little about the finer dependencies. */
const RIDGE = 1e-2;

interface State {
  readonly convolution: Convolution;
  /** [rows, channels + 1]: weights of every output and kernel place. */
  readonly weights: Float64Array;
  readonly rows: number;
  readonly inverse: Float64Array;
  readonly energy: number;
}

/**
 * In which order a space can do without its channels, when the readers' other weights make up for each as well as
 * they can in the least-squares sense: the surgeon's rule (Hassibi & Stork 1993; Frantar & Alistarh 2022), with a
 * whole channel in the place of one weight. Places of a kernel are taken as independent.
 *
 * @param most how many channels to take away at most
 * @param trialLoss the trial is made after the channel with which the loss reaches this, or after the last
 */
export function eliminationOf(
  channels: number,
  readers: readonly ChannelReader[],
  most: number,
  trialLoss: number,
): Elimination {
  const states = readers.map((reader) => stateOf(reader, channels));
  const left = new Set(Array.from({ length: channels }, (_, channel) => channel));
  const order: number[] = [];
  const losses: number[] = [];
  let trial: EliminationTrial | undefined;
  let total = 0;
  while (order.length < most) {
    const [channel, loss] = leastMissed(states, left, channels);
    total += loss;
    order.push(channel);
    losses.push(total);
    left.delete(channel);
    for (const state of states) eliminate(state, channel, channels + 1);
    if (trial === undefined && (total >= trialLoss || order.length === most)) {
      trial = { removed: order.length, readers: states.map((state) => weightsOf(state, channels)) };
    }
  }
  return { order, losses, trial: trial ?? { removed: 0, readers: [] } };
}

function stateOf({ convolution, gram }: ChannelReader, channels: number): State {
  const { weights, outputs } = convolution;
  const kernel = weights.values.length / (outputs * channels);
  const [size, rows] = [channels + 1, outputs * kernel];
  const arranged = new Float64Array(rows * size);
  weights.values.forEach((weight, index) => {
    const output = Math.floor(index / (channels * kernel));
    const channel = Math.floor(index / kernel) % channels;
    arranged[(output * kernel + (index % kernel)) * size + channel] = weight;
  });
  const regular = gram.slice();
  for (let index = 0; index < size; index++) {
    const diagonal = index * size + index;
    regular[diagonal] = (regular[diagonal] ?? 0) * (1 + RIDGE) || 1;
  }
  let energy = 0;
  for (let row = 0; row < rows; row++) energy += quadratic(arranged, row * size, gram, size);
  return {
    convolution,
    weights: arranged,
    rows,
    inverse: inverseOf(choleskyOf(regular, size), size),
    energy: energy || 1,
  };
}

/** In the convolution's own order; what the last column has become is what the missing channels gave on average. */
function weightsOf(
  { convolution, weights: arranged, rows }: State,
  channels: number,
): EliminationTrial['readers'][number] {
  const { weights, bias, outputs } = convolution;
  const kernel = rows / outputs;
  const size = channels + 1;
  const values = weights.values.map((_, index) => {
    const output = Math.floor(index / (channels * kernel));
    return arranged[(output * kernel + (index % kernel)) * size + (Math.floor(index / kernel) % channels)] ?? 0;
  });
  const biases = Array.from({ length: outputs }, (_, output) => {
    let sum = bias?.values[output] ?? 0;
    for (let place = 0; place < kernel; place++) sum += arranged[(output * kernel + place) * size + channels] ?? 0;
    return sum;
  });
  return { weights: floatTensor(weights.dims, values), bias: floatTensor([outputs], biases) };
}

function quadratic(weights: Float64Array, start: number, gram: Float64Array, size: number): number {
  let sum = 0;
  for (let one = 0; one < size; one++) {
    const weight = weights[start + one] ?? 0;
    if (weight === 0) continue;
    let inner = 0;
    for (let other = 0; other < size; other++) inner += (gram[one * size + other] ?? 0) * (weights[start + other] ?? 0);
    sum += weight * inner;
  }
  return sum;
}

function leastMissed(states: readonly State[], left: ReadonlySet<number>, channels: number): readonly [number, number] {
  let [best, least] = [-1, Number.POSITIVE_INFINITY];
  for (const channel of left) {
    const loss = states.reduce((sum, state) => sum + lossOf(state, channel, channels + 1), 0) / states.length;
    if (loss < least || best < 0) [best, least] = [channel, loss];
  }
  return [best, least];
}

function lossOf({ weights, rows, inverse, energy }: State, channel: number, size: number): number {
  let squares = 0;
  for (let row = 0; row < rows; row++) squares += (weights[row * size + channel] ?? 0) ** 2;
  return squares / (inverse[channel * size + channel] ?? 1) / energy;
}

/** Takes a channel out of the weights and of the inverse, as if it had never been there. */
function eliminate({ weights, rows, inverse }: State, channel: number, size: number): void {
  const pivot = inverse[channel * size + channel] ?? 1;
  const column = Float64Array.from({ length: size }, (_, index) => (inverse[index * size + channel] ?? 0) / pivot);
  const subtract = (matrix: Float64Array, count: number): void => {
    for (let row = 0; row < count; row++) {
      const factor = matrix[row * size + channel] ?? 0;
      if (factor === 0) continue;
      for (let index = 0; index < size; index++) {
        matrix[row * size + index] = (matrix[row * size + index] ?? 0) - factor * (column[index] ?? 0);
      }
    }
  };
  subtract(weights, rows);
  subtract(inverse, size);
  for (let row = 0; row < rows; row++) weights[row * size + channel] = 0;
  // What is left of the row and the column is rounding; a later pivot must not divide by it.
  for (let index = 0; index < size; index++) {
    inverse[index * size + channel] = 0;
    inverse[channel * size + index] = 0;
  }
}
