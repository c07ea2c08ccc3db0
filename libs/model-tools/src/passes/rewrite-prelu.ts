import { integerAttributes } from '../attributes.js';
import { convolutionOf, scaleInputs, scaleOutputs, type Convolution } from '../convolution.js';
import type { GraphNode, OnnxModel } from '../graph.js';
import { GraphDraft } from '../graph-draft.js';
import { floatTensor } from '../tensor.js';
import type { Pass } from './pass.js';

/**
 * Rewrites PRelu so that ONNX Runtime keeps its blocked layout, in which it has no PRelu.
 *
 * With slope a, PRelu(y) = (1 − a)·(relu(y) + t·y) where t = a / (1 − a). The product t·y is a depthwise
 * convolution of 1 × 1, which takes the addition with it, and the factor 1 − a goes into the weights of the
 * convolutions that read the result or, when others read it too, of the one before.
 */
export const rewritePrelu: Pass = { name: 'rewrite-prelu', scope: 'graph', apply };

/**
 * Slopes are kept this far from 1, where t would be infinite: a relative change of half of the last bit of a
 * 32-bit float.
 */
const SMALLEST_DISTANCE = 2 ** -25;

interface Rectifier {
  readonly node: GraphNode;
  readonly input: string;
  readonly output: string;
  /** One a channel. */
  readonly slopes: readonly number[];
  readonly producer: Convolution;
}

function apply(model: OnnxModel): ReturnType<Pass['apply']> {
  const draft = new GraphDraft(model);
  const counts = { folded: 0, left: 0 };
  for (const node of model.nodes) {
    if (node.opType !== 'PRelu' || node.domain !== '') continue;
    // An earlier rewriting may have changed the node's neighbours, never the node itself.
    const rectifier = rectifierOf(draft, node);
    if (rectifier !== undefined && (foldAfter(draft, rectifier) || foldBefore(draft, rectifier))) counts.folded += 1;
    else counts.left += 1;
  }
  return { model: draft.model, counts };
}

function rectifierOf(draft: GraphDraft, node: GraphNode): Rectifier | undefined {
  const [input = '', slopeName] = node.inputs;
  const [output = ''] = node.outputs;
  const slope = draft.floats(slopeName);
  const producer = convolutionOf(draft, draft.index.producer(input));
  if (slope === undefined || producer === undefined) return undefined;
  const channels = producer.outputs;
  const spatial = producer.weights.dims.length - 2;
  const leading = slope.dims.slice(0, -spatial);
  const isPerChannel =
    slope.values.length === channels && leading.at(-1) === channels && slope.dims.length > spatial && spatial > 0;
  if (!isPerChannel && slope.values.length !== 1) return undefined;
  const slopes = Array.from({ length: channels }, (_, channel) => slope.values[isPerChannel ? channel : 0] ?? 0);
  return { node, input, output, slopes: slopes.map(awayFromOne), producer };
}

function awayFromOne(slope: number): number {
  return Math.abs(1 - slope) < SMALLEST_DISTANCE ? 1 - SMALLEST_DISTANCE : slope;
}

/** The factor 1 − a goes into the weights of the convolutions that read the result. Any slope will do. */
function foldAfter(draft: GraphDraft, rectifier: Rectifier): boolean {
  const { output, slopes } = rectifier;
  if (draft.index.isOutput(output)) return false;
  const readers = draft.index.consumers(output).map((reader) => convolutionOf(draft, reader));
  if (!readers.every((reader) => reader?.node.inputs[0] === output && reader.inputs === slopes.length)) return false;
  for (const reader of readers) {
    if (reader)
      scaleInputs(
        draft,
        reader,
        slopes.map((slope) => 1 - slope),
      );
  }
  replacePrelu(draft, rectifier);
  return true;
}

/** The factor 1 − a goes into the weights of the convolution before. It must be positive, to pass the relu. */
function foldBefore(draft: GraphDraft, rectifier: Rectifier): boolean {
  const { node, input, slopes, producer } = rectifier;
  if (!draft.isReadOnlyBy(input, node) || slopes.some((slope) => slope >= 1)) return false;
  scaleOutputs(
    draft,
    producer,
    slopes.map((slope) => 1 - slope),
  );
  replacePrelu(draft, rectifier);
  return true;
}

/** PRelu becomes relu(y) + t·y. */
function replacePrelu(draft: GraphDraft, { node, input, output, slopes, producer }: Rectifier): void {
  const spatial = producer.weights.dims.length - 2;
  const ones = Array.from({ length: spatial }, () => 1);
  const ratios = floatTensor(
    [slopes.length, 1, ...ones],
    slopes.map((slope) => slope / (1 - slope)),
  );
  const weights = draft.addConstant(output, 'slope', ratios);
  const positive = draft.freshName(output, 'positive');
  const linear = draft.freshName(output, 'linear');
  const name = (part: string): string => (node.name === '' ? '' : `${node.name}.${part}`);
  const attributes = integerAttributes({ group: slopes.length, kernel_shape: ones });
  draft.replace(
    node,
    { ...node, opType: 'Relu', name: name('positive'), inputs: [input], outputs: [positive], attributes: new Map() },
    { ...node, opType: 'Conv', name: name('linear'), inputs: [input, weights], outputs: [linear], attributes },
    { ...node, opType: 'Add', name: name('sum'), inputs: [positive, linear], outputs: [output], attributes: new Map() },
  );
}
