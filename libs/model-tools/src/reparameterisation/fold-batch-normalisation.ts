import { floatAttribute, integerAttribute } from '../attributes.js';
import { convolutionOf, replaceWeights, type Convolution } from '../convolution.js';
import type { GraphNode } from '../graph.js';
import { GraphDraft } from '../graph-draft.js';
import type { Pass } from '../passes/pass.js';
import { floatTensor, type FloatTensor } from '../tensor.js';
import { normalisationOf, type ChannelAffine } from './batch-normalisation.js';

/**
 * Puts a BatchNormalization into the weights of the convolution or matrix product (Gemm) before it, when nobody
 * else reads what that one says.
 */
export const foldBatchNormalisation: Pass = {
  name: 'fold-batch-normalisation',
  scope: 'graph',
  apply: (model) => {
    const draft = new GraphDraft(model);
    let folded = 0;
    for (const node of model.nodes) {
      const affine = normalisationOf(draft, node);
      if (affine !== undefined && foldInto(draft, node, affine)) folded += 1;
    }
    return { model: draft.model, counts: { folded } };
  },
};

function foldInto(draft: GraphDraft, normalisation: GraphNode, affine: ChannelAffine): boolean {
  const [input = ''] = normalisation.inputs;
  const producer = draft.index.producer(input);
  if (producer === undefined || !draft.isReadOnlyBy(input, normalisation)) return false;
  const convolution = convolutionOf(draft, producer);
  const folded = convolution ? foldIntoConvolution(draft, convolution, affine) : foldIntoGemm(draft, producer, affine);
  if (folded === undefined) return false;
  draft.replace(folded, { ...folded, outputs: normalisation.outputs });
  draft.replace(normalisation);
  return true;
}

function foldIntoConvolution(
  draft: GraphDraft,
  convolution: Convolution,
  affine: ChannelAffine,
): GraphNode | undefined {
  const { weights, bias, outputs } = convolution;
  if (affine.scales.length !== outputs) return undefined;
  const size = weights.values.length / outputs;
  const scaled = scaledBy(weights, affine, (index) => Math.floor(index / size));
  return replaceWeights(draft, convolution, scaled, biasOf(bias, affine, 1));
}

/** Gemm: alpha·A·B + beta·C, with B of [inputs, outputs], or the other way round with `transB`. */
function foldIntoGemm(draft: GraphDraft, node: GraphNode, affine: ChannelAffine): GraphNode | undefined {
  if (node.opType !== 'Gemm' || node.domain !== '') return undefined;
  const [input = '', weightName = '', biasName = ''] = node.inputs;
  const weights = draft.floats(weightName);
  const bias = draft.floats(biasName);
  const beta = floatAttribute(node, 'beta', 1);
  const outputs = affine.scales.length;
  const isTransposed = integerAttribute(node, 'transB', 0) !== 0;
  const biasFits = biasName === '' || bias?.values.length === outputs;
  if (weights?.dims[isTransposed ? 0 : 1] !== outputs || !biasFits || beta === 0) return undefined;
  const size = weights.values.length / outputs;
  const outputOf = (index: number): number => (isTransposed ? Math.floor(index / size) : index % outputs);
  const names = [
    draft.addConstant(weightName, 'folded', scaledBy(weights, affine, outputOf)),
    draft.addConstant(biasName === '' ? weightName : biasName, 'folded', biasOf(bias, affine, beta)),
  ];
  const changed = { ...node, inputs: [input, ...names] };
  draft.replace(node, changed);
  return changed;
}

function scaledBy(weights: FloatTensor, { scales }: ChannelAffine, outputOf: (index: number) => number): FloatTensor {
  return floatTensor(
    weights.dims,
    weights.values.map((weight, index) => weight * (scales[outputOf(index)] ?? 0)),
  );
}

/** @param factor what the operator multiplies its bias with */
function biasOf(bias: FloatTensor | undefined, { scales, shifts }: ChannelAffine, factor: number): FloatTensor {
  return floatTensor(
    [scales.length],
    scales.map((scale, channel) => (bias?.values[channel] ?? 0) * scale + (shifts[channel] ?? 0) / factor),
  );
}
