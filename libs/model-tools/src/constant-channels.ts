import { channelRelation, type ChannelSpace } from './channel-spaces.js';
import { convolutionOf, isPadded, type Convolution } from './convolution.js';
import type { GraphNode } from './graph.js';
import type { GraphDraft } from './graph-draft.js';

/** The value that a channel has everywhere, whatever the input is; undefined where it depends on it. */
export type ChannelConstants = readonly (number | undefined)[];

/**
 * Which channels of a space's values are constant. Numbers are rounded as 32-bit floats are, so that what is
 * folded is what the runtime would have computed, but for the order of sums.
 */
export function constantChannels(draft: GraphDraft, space: ChannelSpace): ReadonlyMap<string, ChannelConstants> {
  const known = new Map<string, ChannelConstants>();
  const nodes = new Set([...space.writers, ...space.inner]);
  for (const node of draft.nodes) {
    if (!nodes.has(node)) continue;
    const inputs = node.inputs.map((input) => known.get(input));
    const channels = Array.from({ length: space.channels }, (_, channel) => channel);
    known.set(node.outputs[0] ?? '', channels.map(evaluator(draft, node, inputs)));
  }
  return known;
}

type Evaluate = (channel: number) => number | undefined;

function evaluator(draft: GraphDraft, node: GraphNode, inputs: readonly (ChannelConstants | undefined)[]): Evaluate {
  const convolution = convolutionOf(draft, node);
  if (convolution !== undefined) {
    const mixes = channelRelation(draft, node) === 'mixing';
    return (channel) => ofConvolution(convolution, channel, mixes ? undefined : inputs[0]?.[channel]);
  }
  const first: Evaluate = (channel) => inputs[0]?.[channel];
  const second: Evaluate = (channel) => inputs[1]?.[channel];
  switch (node.opType) {
    case 'Relu':
      return unary(first, (value) => Math.max(0, value));
    case 'PRelu': {
      const slopes = draft.floats(node.inputs[1])?.values;
      return (channel) =>
        unary(first, (value) => (value < 0 ? value * (slopes?.[channel] ?? Number.NaN) : value))(channel);
    }
    case 'Identity':
    case 'GlobalAveragePool':
    case 'GlobalMaxPool':
      return first;
    case 'Add':
      return binary(first, second, (one, other) => one + other);
    default:
      return () => undefined;
  }
}

function unary(input: Evaluate, apply: (value: number) => number): Evaluate {
  return (channel) => {
    const value = input(channel);
    return value === undefined ? undefined : Math.fround(apply(value));
  };
}

function binary(first: Evaluate, second: Evaluate, apply: (one: number, other: number) => number): Evaluate {
  return (channel) => {
    const [one, other] = [first(channel), second(channel)];
    return one === undefined || other === undefined ? undefined : Math.fround(apply(one, other));
  };
}

/** Constant where all weights are zero, and where a constant is seen by a kernel that never sees padding beside it. */
function ofConvolution(convolution: Convolution, channel: number, input: number | undefined): number | undefined {
  const { weights, bias, outputs } = convolution;
  const size = weights.values.length / outputs;
  const kernel = weights.values.subarray(channel * size, (channel + 1) * size);
  const offset = bias?.values[channel] ?? 0;
  if (kernel.every((weight) => weight === 0)) return offset;
  if (input === undefined) return undefined;
  if (input !== 0 && isPadded(convolution)) return undefined;
  return Math.fround(kernel.reduce((sum, weight) => sum + weight, 0) * input + offset);
}
