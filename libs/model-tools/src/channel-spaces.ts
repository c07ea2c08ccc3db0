import { convolutionOf } from './convolution.js';
import type { GraphNode } from './graph.js';
import type { GraphDraft } from './graph-draft.js';

/**
 * Values whose channels belong together: channel k of one is made of channel k of the others alone, between
 * the convolutions that mix channels. A channel can only be removed from all of them at once.
 */
export interface ChannelSpace {
  readonly channels: number;
  /** Mixing convolutions whose outputs are the space's channels. */
  readonly writers: readonly GraphNode[];
  /** Mixing convolutions whose inputs they are. */
  readonly readers: readonly GraphNode[];
  /** Nodes from values of the space to values of the space, in the graph's order. */
  readonly inner: readonly GraphNode[];
}

/** Operators that treat each channel of their inputs alone, and have constants at most for channels. */
const channelwise = new Set([
  'Relu',
  'LeakyRelu',
  'PRelu',
  'Clip',
  'Sigmoid',
  'Tanh',
  'Identity',
  'GlobalAveragePool',
  'GlobalMaxPool',
  'AveragePool',
  'MaxPool',
  'Add',
  'Mul',
]);

/** How a node relates its channels: across a mixing convolution, within one space, or in some way not known here. */
export type ChannelRelation = 'mixing' | 'inner' | 'unknown';

export function channelRelation(draft: GraphDraft, node: GraphNode): ChannelRelation {
  const convolution = convolutionOf(draft, node);
  if (convolution !== undefined) {
    if (convolution.kind === 'mixing') return 'mixing';
    return convolution.kind === 'depthwise' && convolution.inputs === convolution.outputs ? 'inner' : 'unknown';
  }
  const isKnown = node.domain === '' && channelwise.has(node.opType) && node.outputs.length === 1;
  return isKnown ? 'inner' : 'unknown';
}

/**
 * The channel spaces of a graph that can be changed: made and read by mixing convolutions alone, and seen by
 * nobody outside.
 */
export function channelSpaces(draft: GraphDraft): readonly ChannelSpace[] {
  const values = new ValueClasses();
  const channels = channelCounts(draft);
  for (const node of draft.nodes) relate(draft, node, values, channels);
  for (const { name } of [...draft.model.inputs, ...draft.model.outputs]) values.fix(name);

  const spaces = new Map<
    string,
    { channels: number; writers: GraphNode[]; readers: GraphNode[]; inner: GraphNode[] }
  >();
  const spaceOf = (value: string) => {
    const root = values.rootOf(value);
    const found = spaces.get(root) ?? { channels: channels.get(value) ?? 0, writers: [], readers: [], inner: [] };
    spaces.set(root, found);
    return found;
  };
  for (const node of draft.nodes) {
    const [output = ''] = node.outputs;
    if (channelRelation(draft, node) === 'mixing') {
      spaceOf(node.inputs[0] ?? '').readers.push(node);
      spaceOf(output).writers.push(node);
    } else if (!values.isFixed(output)) {
      spaceOf(output).inner.push(node);
    }
  }
  return [...spaces].filter(([root, space]) => !values.isFixed(root) && space.channels > 0).map(([, space]) => space);
}

/** Channels of the values that come, by known ways, out of convolutions. */
function channelCounts(draft: GraphDraft): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const node of draft.nodes) {
    const [output = ''] = node.outputs;
    const relation = channelRelation(draft, node);
    const count =
      relation === 'mixing' ? convolutionOf(draft, node)?.outputs : counts.get(computedInputs(draft, node)[0] ?? '');
    if (relation !== 'unknown' && count !== undefined) counts.set(output, count);
  }
  return counts;
}

/** A node's inputs without its constants. */
function computedInputs({ model }: GraphDraft, { inputs }: GraphNode): readonly string[] {
  return inputs.filter((name) => name !== '' && !model.constants.has(name));
}

function relate(draft: GraphDraft, node: GraphNode, values: ValueClasses, channels: ReadonlyMap<string, number>): void {
  const relation = channelRelation(draft, node);
  if (relation === 'mixing') return;
  const [output = ''] = node.outputs;
  const inputs = computedInputs(draft, node);
  const count = channels.get(output);
  const belongsTogether =
    relation === 'inner' &&
    count !== undefined &&
    inputs.every((input) => channels.get(input) === count) &&
    hasChannelConstantsAlone(draft, node, count);
  if (!belongsTogether) for (const value of [...inputs, ...node.outputs]) values.fix(value);
  if (relation === 'inner') for (const input of inputs) values.unite(input, output);
}

/** Whether a node's constants, if it has any, can follow a change of channels: one value a channel, or one for all. */
function hasChannelConstantsAlone(draft: GraphDraft, node: GraphNode, channels: number): boolean {
  if (node.opType === 'Conv') return true;
  const constants = node.inputs.filter((name) => draft.model.constants.has(name));
  if (constants.every((name) => draft.model.constants.get(name)?.dims.length === 0)) return true;
  return node.opType === 'PRelu' && constants.length === 1 && isPerChannel(draft, constants[0], channels);
}

function isPerChannel(draft: GraphDraft, name: string | undefined, channels: number): boolean {
  const tensor = draft.floats(name);
  return tensor?.values.length === channels && tensor.dims.length >= 3 && tensor.dims.at(-3) === channels;
}

/** A union-find over the names of values; a class may be fixed: its channels must stay. */
export class ValueClasses {
  readonly #parents = new Map<string, string>();
  readonly #fixed = new Set<string>();

  rootOf(value: string): string {
    let root = value;
    for (let parent = this.#parents.get(root); parent !== undefined; parent = this.#parents.get(root)) root = parent;
    return root;
  }

  unite(one: string, other: string): void {
    const [rootOfOne, rootOfOther] = [this.rootOf(one), this.rootOf(other)];
    if (rootOfOne === rootOfOther) return;
    this.#parents.set(rootOfOne, rootOfOther);
    if (this.#fixed.has(rootOfOne)) this.#fixed.add(rootOfOther);
  }

  fix(value: string): void {
    this.#fixed.add(this.rootOf(value));
  }

  isFixed(value: string): boolean {
    return this.#fixed.has(this.rootOf(value));
  }
}
