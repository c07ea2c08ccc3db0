import { channelSpaces, type ChannelSpace } from '../channel-spaces.js';
import { convolutionOf, type Convolution } from '../convolution.js';
import type { GraphNode } from '../graph.js';
import type { GraphDraft } from '../graph-draft.js';
import { CHANNEL_BLOCK } from '../passes/resize-channels.js';

/** A channel space that can lose channels, a block at a time. */
export interface PrunableSpace {
  readonly space: ChannelSpace;
  readonly readers: readonly Convolution[];
  /** Names of all its values. */
  readonly values: readonly string[];
  /** Channel counts that it can have, the largest first; the first is what it has. */
  readonly counts: readonly number[];
}

/** A space keeps this part of its channels: what is known of it from a few going says little about most of them. */
const SMALLEST_PART = 0.5;

/** Spaces whose readers are convolutions of constant weights, and that hold more than one block of channels. */
export function prunableSpaces(draft: GraphDraft): readonly PrunableSpace[] {
  return channelSpaces(draft).flatMap((space) => {
    const readers = space.readers.flatMap((node) => convolutionOf(draft, node) ?? []);
    const below = Math.ceil(space.channels / CHANNEL_BLOCK) - 1;
    const blocks = Array.from({ length: below }, (_, index) => (below - index) * CHANNEL_BLOCK).filter(
      (count) => count >= space.channels * SMALLEST_PART,
    );
    if (blocks.length === 0 || readers.length === 0 || readers.length < space.readers.length) return [];
    const values = [...space.writers, ...space.inner].flatMap(({ outputs }) => outputs);
    return [{ space, readers, values, counts: [space.channels, ...blocks] }];
  });
}

/** Bytes of weights that a model has, by how many channels its spaces have. */
export class WeightBytes {
  readonly #layers: readonly { readonly elements: number; readonly shrinks: readonly number[] }[];
  readonly #channels: readonly number[];

  constructor(draft: GraphDraft, spaces: readonly PrunableSpace[]) {
    const indexOf = (value: string | undefined): number =>
      spaces.findIndex(({ values }) => values.includes(value ?? ''));
    this.#channels = spaces.map(({ space }) => space.channels);
    this.#layers = draft.nodes.flatMap((node: GraphNode) => {
      const convolution = convolutionOf(draft, node);
      if (convolution === undefined) return [];
      const from = convolution.kind === 'mixing' ? indexOf(node.inputs[0]) : -1;
      const to = indexOf(node.outputs[0]);
      const bias = convolution.bias?.values.length ?? 0;
      return [
        { elements: convolution.weights.values.length, shrinks: [from, to].filter((index) => index >= 0) },
        { elements: bias, shrinks: to >= 0 ? [to] : [] },
      ];
    });
  }

  /** @param counts channels of each space */
  of(counts: readonly number[]): number {
    return this.#layers.reduce(
      (total, { elements, shrinks }) =>
        total +
        4 * shrinks.reduce((left, index) => (left * (counts[index] ?? 0)) / (this.#channels[index] ?? 1), elements),
      0,
    );
  }
}
