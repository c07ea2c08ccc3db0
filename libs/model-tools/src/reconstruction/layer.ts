import { convolutionOf, type Convolution } from '../convolution.js';
import { geometryOf, type Geometry } from '../convolution-geometry.js';
import type { GraphNode } from '../graph.js';
import type { GraphDraft } from '../graph-draft.js';

/** A convolution whose weights can be solved for, and what its result is for. */
export interface Layer {
  readonly convolution: Convolution;
  readonly geometry: Geometry;
  /** Number of its node. */
  readonly node: number;
  readonly input: string;
  /** The value that shall be as the teacher's: the convolution's, or the sum that it is one term of. */
  readonly target: string;
  /** The sum's other term, which is there before the convolution. */
  readonly other: string | undefined;
  /** Whether nothing but the bias is solved for. */
  readonly biasAlone: boolean;
}

/**
 * Undefined: no 2-D convolution that mixes channels, its weights are computed, or it has more numbers in a patch
 * than `mostFeatures`. A depthwise kernel can make up for nothing: what it lost is in other channels.
 */
export function layerOf(draft: GraphDraft, node: GraphNode, mostFeatures: number): Layer | undefined {
  const convolution = convolutionOf(draft, node);
  const geometry = convolution && geometryOf(convolution);
  if (convolution?.kind !== 'mixing' || geometry?.kernel.length !== 2) return undefined;
  const [rows = 1, columns = 1] = geometry.kernel;
  if (geometry.channels[1] * rows * columns > mostFeatures) return undefined;
  const [input = ''] = node.inputs;
  const [output = ''] = node.outputs;
  const index = draft.nodes.indexOf(node);
  const sum = sumBehind(draft, node, index);
  return {
    convolution,
    geometry,
    node: index,
    input,
    target: sum?.value ?? output,
    other: sum?.other,
    biasAlone: false,
  };
}

/** The sum of the convolution's result and a value that is known before it. */
function sumBehind(draft: GraphDraft, node: GraphNode, index: number): { value: string; other: string } | undefined {
  const [output = ''] = node.outputs;
  const [reader, ...others] = draft.index.consumers(output);
  if (reader?.opType !== 'Add' || reader.domain !== '' || others.length > 0 || draft.index.isOutput(output)) {
    return undefined;
  }
  const other = reader.inputs.find((name) => name !== output);
  const producer = other === undefined ? undefined : draft.index.producer(other);
  const [value] = reader.outputs;
  if (other === undefined || value === undefined || producer === undefined) return undefined;
  return draft.nodes.indexOf(producer) < index ? { value, other } : undefined;
}
