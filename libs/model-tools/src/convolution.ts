import { integerAttribute, integersAttribute, stringAttribute } from './attributes.js';
import type { GraphNode } from './graph.js';
import type { GraphDraft } from './graph-draft.js';
import { floatTensor, type FloatTensor } from './tensor.js';

/** A convolution whose weights are constants. */
export interface Convolution {
  readonly node: GraphNode;
  /** [outputs, inputs / groups, kernel…] */
  readonly weights: FloatTensor;
  /** [outputs]; undefined: zero. */
  readonly bias: FloatTensor | undefined;
  readonly outputs: number;
  readonly inputs: number;
  /** 'mixing': every output sees every input; 'depthwise': output k sees input k alone. */
  readonly kind: 'mixing' | 'depthwise' | 'grouped';
}

/** Reads a node as a convolution; undefined when it is none, or its weights are computed. */
export function convolutionOf(draft: GraphDraft, node: GraphNode | undefined): Convolution | undefined {
  if (node?.opType !== 'Conv' || node.domain !== '') return undefined;
  const [, weightName, biasName] = node.inputs;
  const weights = draft.floats(weightName);
  const bias = draft.floats(biasName);
  const [outputs, inputsOfGroup] = weights?.dims ?? [];
  const biasIsComputed = biasName !== undefined && biasName !== '' && bias === undefined;
  if (weights === undefined || outputs === undefined || inputsOfGroup === undefined || biasIsComputed) return undefined;
  const groups = integerAttribute(node, 'group', 1);
  const kind = groups === 1 ? 'mixing' : groups === outputs && inputsOfGroup === 1 ? 'depthwise' : 'grouped';
  return { node, weights, bias, outputs, inputs: inputsOfGroup * groups, kind };
}

/** Whether the convolution reads zeros around its input. */
export function isPadded({ node }: Convolution): boolean {
  const automatic = stringAttribute(node, 'auto_pad', 'NOTSET');
  if (automatic !== 'NOTSET' && automatic !== 'VALID') return true;
  return (integersAttribute(node, 'pads') ?? []).some((pad) => pad !== 0n);
}

/** Gives a convolution other weights and another bias; the node that has them. */
export function replaceWeights(
  draft: GraphDraft,
  { node }: Convolution,
  weights: FloatTensor,
  bias: FloatTensor | undefined,
): GraphNode {
  const [input = '', weightName = '', biasName] = node.inputs;
  const base = biasName === undefined || biasName === '' ? weightName : biasName;
  const names = [
    constantFor(draft, node, weightName, weightName, weights),
    ...(bias ? [constantFor(draft, node, biasName, base, bias)] : []),
  ];
  const changed = { ...node, inputs: [input, ...names] };
  draft.replace(node, changed);
  return changed;
}

/** Multiplies output channel k, bias included, by `factors[k]`; the node that does. */
export function scaleOutputs(draft: GraphDraft, convolution: Convolution, factors: readonly number[]): GraphNode {
  const { weights, bias, outputs } = convolution;
  const size = weights.values.length / outputs;
  const scaled = weights.values.map((weight, index) => weight * factorAt(factors, Math.floor(index / size)));
  const scaledBias = bias?.values.map((value, index) => value * factorAt(factors, index));
  return replaceWeights(
    draft,
    convolution,
    floatTensor(weights.dims, scaled),
    scaledBias && floatTensor([outputs], scaledBias),
  );
}

/** Makes the convolution see its input channel k multiplied by `factors[k]`; the node that does. */
export function scaleInputs(draft: GraphDraft, convolution: Convolution, factors: readonly number[]): GraphNode {
  const { weights, bias, outputs, inputs, kind } = convolution;
  const [, inputsOfGroup = 1] = weights.dims;
  const outputsOfGroup = kind === 'mixing' ? outputs : outputs / (inputs / inputsOfGroup);
  const kernel = weights.values.length / (outputs * inputsOfGroup);
  const scaled = weights.values.map((weight, index) => {
    const position = Math.floor(index / kernel);
    const group = Math.floor(position / inputsOfGroup / outputsOfGroup);
    return weight * factorAt(factors, group * inputsOfGroup + (position % inputsOfGroup));
  });
  return replaceWeights(draft, convolution, floatTensor(weights.dims, scaled), bias);
}

function factorAt(factors: readonly number[], index: number): number {
  const factor = factors[index];
  if (factor === undefined) throw new RangeError(`no factor for channel ${index}`);
  return factor;
}

/** Overwrites the constant when this node alone reads it; adds one otherwise. */
function constantFor(
  draft: GraphDraft,
  node: GraphNode,
  name: string | undefined,
  base: string,
  tensor: FloatTensor,
): string {
  const reads = node.inputs.filter((input) => input === name).length;
  if (name === undefined || name === '' || reads !== 1 || !draft.isReadOnlyBy(name, node)) {
    return draft.addConstant(base, 'rewritten', tensor);
  }
  draft.setConstant(name, tensor);
  return name;
}
