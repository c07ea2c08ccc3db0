import { integerAttributes } from '../attributes.js';
import { channelSpaces, type ChannelSpace } from '../channel-spaces.js';
import { constantChannels, type ChannelConstants } from '../constant-channels.js';
import { convolutionOf, isPadded, replaceWeights, type Convolution } from '../convolution.js';
import type { GraphNode, OnnxModel } from '../graph.js';
import { GraphDraft } from '../graph-draft.js';
import { floatTensor, type FloatTensor } from '../tensor.js';
import type { Pass } from './pass.js';

/**
 * Removes channels that contribute nothing (their readers' weights are zero, or their value is the same
 * whatever the input is) and leaves multiples of the block of ONNX Runtime's blocked layout: other counts
 * lose the layout, which costs more than the removed channels win. A count that is no multiple from the start
 * is filled up with zero channels, when that is little.
 */
export const resizeChannels: Pass = { name: 'resize-channels', scope: 'graph', apply };

/** Channels in a block with AVX-512, a multiple of what every other processor has (8). */
export const CHANNEL_BLOCK = 16;
/** Zero channels may be added up to this part of a space's own. */
const MOST_PADDING = 0.25;
const ZERO_CHANNEL = -1;

/** The channels that a space shall have, by their number before; {@link ZERO_CHANNEL} for a new one of zeros. */
interface Plan {
  readonly sources: readonly number[];
  readonly dropped: readonly number[];
  readonly constants: ReadonlyMap<string, ChannelConstants>;
}

function apply(model: OnnxModel): ReturnType<Pass['apply']> {
  const draft = new GraphDraft(model);
  const counts = { removed: 0, added: 0 };
  // Removing a channel can free the ones that it was computed from.
  for (let changed = true; changed;) {
    changed = false;
    for (const stale of channelSpaces(draft)) {
      const space = asItIsNow(draft, stale);
      const { sources, dropped, constants } = planOf(draft, space);
      if (sources.length === space.channels) continue;
      for (const node of space.readers) setInputs(draft, node, sources, dropped, constants.get(node.inputs[0] ?? ''));
      for (const node of [...space.writers, ...space.inner]) setOutputs(draft, asNow(draft, node), sources);
      counts.removed += Math.max(0, space.channels - sources.length);
      counts.added += Math.max(0, sources.length - space.channels);
      changed = true;
    }
  }
  return { model: draft.model, counts };
}

/** A space's nodes after other spaces, which share some of them, were resized. */
function asItIsNow(draft: GraphDraft, { channels, writers, readers, inner }: ChannelSpace): ChannelSpace {
  const now = (nodes: readonly GraphNode[]): GraphNode[] => nodes.map((node) => asNow(draft, node));
  return { channels, writers: now(writers), readers: now(readers), inner: now(inner) };
}

function asNow(draft: GraphDraft, node: GraphNode): GraphNode {
  return draft.index.producer(node.outputs[0] ?? '') ?? node;
}

function planOf(draft: GraphDraft, space: ChannelSpace): Plan {
  const constants = constantChannels(draft, space);
  const readers = space.readers.map((node) => convolutionOf(draft, node)).filter((reader) => reader !== undefined);
  const isUsed = Array.from({ length: space.channels }, () => false);
  for (const reader of readers) markUsed(isUsed, reader, constants.get(reader.node.inputs[0] ?? ''));
  const used = [...isUsed.keys()].filter((channel) => isUsed[channel]);
  const spare = [...isUsed.keys()].filter((channel) => isUsed[channel] !== true);
  const size = sizeFor(space.channels, used.length);
  const keptSpare = Math.max(0, size - used.length);
  const kept = [...used, ...spare.slice(0, keptSpare)].sort((one, other) => one - other);
  const sources = Array.from({ length: size }, (_, position) => kept[position] ?? ZERO_CHANNEL);
  return { sources, dropped: spare.slice(keptSpare), constants };
}

function sizeFor(channels: number, used: number): number {
  const size = Math.max(1, Math.ceil(used / CHANNEL_BLOCK)) * CHANNEL_BLOCK;
  return size <= channels || size - channels <= channels * MOST_PADDING ? size : channels;
}

/** Marks the input channels that a convolution cannot do without, its bias changed at most. */
function markUsed(isUsed: boolean[], reader: Convolution, constants: ChannelConstants | undefined): void {
  const { weights, inputs, outputs } = reader;
  const size = weights.values.length / (outputs * inputs);
  const padded = isPadded(reader);
  const isFree = isUsed.map((_, channel) => {
    const value = constants?.[channel];
    return value !== undefined && (value === 0 || !padded);
  });
  weights.values.forEach((weight, index) => {
    const channel = Math.floor(index / size) % inputs;
    if (weight !== 0 && isFree[channel] !== true) isUsed[channel] = true;
  });
}

/** Lets a convolution read the channels `sources`; what the dropped ones always gave goes into its bias. */
function setInputs(
  draft: GraphDraft,
  node: GraphNode,
  sources: readonly number[],
  dropped: readonly number[],
  constants: ChannelConstants | undefined,
): void {
  const convolution = convolutionOf(draft, node);
  if (convolution === undefined) return;
  const { weights, bias, outputs, inputs } = convolution;
  const size = weights.values.length / (outputs * inputs);
  const given = dropped.filter((channel) => (constants?.[channel] ?? 0) !== 0);
  const offsets = Array.from({ length: outputs }, (_, output) =>
    given.reduce((total, channel) => {
      const start = (output * inputs + channel) * size;
      const sum = weights.values.subarray(start, start + size).reduce((all, weight) => all + weight, 0);
      return total + sum * (constants?.[channel] ?? 0);
    }, bias?.values[output] ?? 0),
  );
  const changedBias = given.length === 0 ? bias : floatTensor([outputs], offsets);
  replaceWeights(draft, convolution, selected(weights, 1, inputs, sources), changedBias);
}

/** Lets a node of the space make the channels `sources`. */
function setOutputs(draft: GraphDraft, node: GraphNode, sources: readonly number[]): void {
  const convolution = convolutionOf(draft, node);
  if (convolution !== undefined) {
    const { weights, bias, outputs, kind } = convolution;
    const changed = selected(weights, 0, outputs, sources);
    const replaced = replaceWeights(draft, convolution, changed, bias && selected(bias, 0, outputs, sources));
    if (kind === 'depthwise') draft.replace(replaced, withGroups(replaced, sources.length));
  } else if (node.opType === 'PRelu') {
    const [input = '', slopeName = ''] = node.inputs;
    const slopes = draft.floats(slopeName);
    if (slopes === undefined) return;
    const axis = slopes.dims.length - 3;
    const changed = draft.addConstant(slopeName, 'rewritten', selected(slopes, axis, slopes.values.length, sources));
    draft.replace(node, { ...node, inputs: [input, changed] });
  }
}

function withGroups(node: GraphNode, groups: number): GraphNode {
  return { ...node, attributes: new Map([...node.attributes, ...integerAttributes({ group: groups })]) };
}

/** The tensor with the given positions of an axis; {@link ZERO_CHANNEL} gives zeros. */
function selected(
  { dims, values }: FloatTensor,
  axis: number,
  length: number,
  sources: readonly number[],
): FloatTensor {
  const outer = dims.slice(0, axis).reduce((product, dim) => product * dim, 1);
  const inner = values.length / (outer * length);
  const result = new Float32Array(outer * sources.length * inner);
  for (let block = 0; block < outer; block++) {
    sources.forEach((source, position) => {
      if (source === ZERO_CHANNEL) return;
      const start = (block * length + source) * inner;
      result.set(values.subarray(start, start + inner), (block * sources.length + position) * inner);
    });
  }
  return floatTensor(dims.with(axis, sources.length), result);
}
