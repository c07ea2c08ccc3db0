import { floatAttribute, integerAttribute, integersAttribute, withoutAttributes } from '../attributes.js';
import type { GraphNode, OnnxModel } from '../graph.js';
import { GraphDraft } from '../graph-draft.js';
import { floatTensor, integerTensor } from '../tensor.js';
import type { Pass } from './pass.js';

/**
 * Raises ONNX's operator set to 13, the first one with quantisation per channel. A model is left as it is
 * when it is older than operator set 7, or has an operator whose changes are not known here.
 */
export const raiseOpset: Pass = { name: 'raise-opset', scope: 'graph', apply };

const TARGET = 13;
/** The operator set that made broadcasting as in NumPy. */
const OLDEST = 7;

/**
 * Operators whose nodes mean the same in every operator set from 7 to 13, by the changelog of onnx
 * (docs/Changelog.md): new versions only allowed more.
 */
const unchanged = new Set(
  (
    'Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Concat Constant Conv ConvTranspose Cos ' +
    'DepthToSpace Div Elu Equal Erf Exp Expand Flatten Floor Gather Gemm GlobalAveragePool GlobalMaxPool Greater ' +
    'HardSigmoid Identity InstanceNormalization LRN LeakyRelu Less Log MatMul Max MaxPool Mean Min Mul Neg Not Or ' +
    'PRelu Pow Reciprocal ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin Relu Reshape Selu Shape Sigmoid Sign ' +
    'Sin Size Softplus Softsign SpaceToDepth Sqrt Sub Sum Tanh Tile Transpose Where'
  ).split(' '),
);

/** Gives the node that means in operator set 13 what the given one means now; undefined when there is none. */
type Conversion = (node: GraphNode, opset: number, draft: GraphDraft) => GraphNode | undefined;

const conversions: ReadonlyMap<string, Conversion> = new Map<string, Conversion>([
  ['Unsqueeze', axesBecomeInput],
  ['Squeeze', axesBecomeInput],
  ['ReduceSum', axesBecomeInput],
  ['Split', splitBecomesInput],
  ['Clip', limitsBecomeInputs],
  ['Slice', positionsBecomeInputs],
  ['Softmax', softmaxOfLastAxis],
  ['LogSoftmax', softmaxOfLastAxis],
  ['Resize', (node, opset) => (opset >= 11 ? node : undefined)],
  ['Pad', (node, opset) => (opset >= 11 ? node : undefined)],
]);

function apply(model: OnnxModel): ReturnType<Pass['apply']> {
  const left = { model, counts: { raisedFrom: 0, nodesConverted: 0 } };
  if (model.opset < OLDEST || model.opset >= TARGET) return left;
  const draft = new GraphDraft({ ...model, opset: TARGET });
  let nodesConverted = 0;
  for (const node of model.nodes) {
    if (node.domain !== '' || unchanged.has(node.opType)) continue;
    const converted = conversions.get(node.opType)?.(node, model.opset, draft);
    if (converted === undefined) return left;
    if (converted === node) continue;
    draft.replace(node, converted);
    nodesConverted += 1;
  }
  return { model: draft.model, counts: { raisedFrom: model.opset, nodesConverted } };
}

/** Adds integers as an input of a node. */
function integersInput(draft: GraphDraft, node: GraphNode, suffix: string, values: readonly bigint[]): string {
  return draft.addConstant(node.outputs[0] ?? '', suffix, integerTensor([values.length], values));
}

function axesBecomeInput(node: GraphNode, _opset: number, draft: GraphDraft): GraphNode {
  const axes = integersAttribute(node, 'axes');
  if (axes === undefined) return node;
  const inputs = [node.inputs[0] ?? '', integersInput(draft, node, 'axes', axes)];
  return { ...node, inputs, attributes: withoutAttributes(node, 'axes') };
}

function splitBecomesInput(node: GraphNode, _opset: number, draft: GraphDraft): GraphNode {
  const parts = integersAttribute(node, 'split');
  if (parts === undefined) return node;
  const inputs = [node.inputs[0] ?? '', integersInput(draft, node, 'split', parts)];
  return { ...node, inputs, attributes: withoutAttributes(node, 'split') };
}

function limitsBecomeInputs(node: GraphNode, opset: number, draft: GraphDraft): GraphNode {
  if (opset >= 11) return node;
  const limit = (name: string): string => {
    if (!node.attributes.has(name)) return '';
    return draft.addConstant(node.outputs[0] ?? '', name, floatTensor([], [floatAttribute(node, name, 0)]));
  };
  return { ...node, inputs: [node.inputs[0] ?? '', limit('min'), limit('max')], attributes: new Map() };
}

function positionsBecomeInputs(node: GraphNode, opset: number, draft: GraphDraft): GraphNode | undefined {
  if (opset >= 10) return node;
  const [starts, ends] = [integersAttribute(node, 'starts'), integersAttribute(node, 'ends')];
  if (starts === undefined || ends === undefined) return undefined;
  const axes = integersAttribute(node, 'axes') ?? starts.map((_, axis) => BigInt(axis));
  const inputs = [
    node.inputs[0] ?? '',
    integersInput(draft, node, 'starts', starts),
    integersInput(draft, node, 'ends', ends),
    integersInput(draft, node, 'axes', axes),
  ];
  return { ...node, inputs, attributes: new Map() };
}

/**
 * Before operator set 13, a softmax goes over all axes from the given one on; afterwards over that one alone.
 * The two agree on the last axis, which is known here only when it is counted from the end, or when what
 * follows says how many axes there are.
 */
function softmaxOfLastAxis(node: GraphNode, _opset: number, draft: GraphDraft): GraphNode | undefined {
  const axis = integerAttribute(node, 'axis', 1);
  const rank = draft.model.outputs.find(({ name }) => name === node.outputs[0])?.type?.value;
  const dimensions = rank?.case === 'tensorType' ? rank.value.shape?.dim.length : undefined;
  return axis === -1 || axis + 1 === dimensions ? node : undefined;
}
