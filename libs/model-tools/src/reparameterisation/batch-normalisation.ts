import { floatAttribute, integerAttribute } from '../attributes.js';
import type { GraphNode } from '../graph.js';
import type { GraphDraft } from '../graph-draft.js';

/** What a normalisation does at inference: channel k becomes `scales[k]`·x + `shifts[k]`. */
export interface ChannelAffine {
  readonly scales: readonly number[];
  readonly shifts: readonly number[];
}

/** ONNX's own default of BatchNormalization. */
const DEFAULT_EPSILON = 1e-5;

/**
 * Reads a node as a BatchNormalization of constant statistics (Ioffe & Szegedy 2015, at inference); undefined
 * when it is none, or is in training.
 */
export function normalisationOf(draft: GraphDraft, node: GraphNode | undefined): ChannelAffine | undefined {
  if (node?.opType !== 'BatchNormalization' || node.domain !== '') return undefined;
  if (integerAttribute(node, 'training_mode', 0) !== 0 || node.outputs.filter((name) => name !== '').length !== 1) {
    return undefined;
  }
  const [gamma, beta, mean, variance] = node.inputs.slice(1).map((name) => draft.floats(name)?.values);
  if (gamma === undefined || beta === undefined || mean === undefined || variance === undefined) return undefined;
  const epsilon = floatAttribute(node, 'epsilon', DEFAULT_EPSILON);
  const scales = [...gamma].map((value, channel) => value / Math.sqrt((variance[channel] ?? 0) + epsilon));
  const shifts = scales.map((scale, channel) => (beta[channel] ?? 0) - (mean[channel] ?? 0) * scale);
  return { scales, shifts };
}
