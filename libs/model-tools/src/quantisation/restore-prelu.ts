import { convolutionOf, scaleOutputs, type Convolution } from '../convolution.js';
import type { GraphNode, OnnxModel } from '../graph.js';
import { GraphDraft } from '../graph-draft.js';
import { floatTensor } from '../tensor.js';

/** relu(y) + t·y of one convolution's output y, t one a channel. */
interface RewrittenPrelu {
  readonly sum: GraphNode;
  readonly relu: GraphNode;
  readonly linear: GraphNode;
  readonly producer: Convolution;
  readonly ratios: Float32Array;
}

/**
 * Makes relu(y) + t·y, which the import pass makes of PRelu, a PRelu again. The two lines, (1 + t)·y and t·y, cross at
 * 0, and the sum is the larger of them. With the steeper one put into the convolution before, it is PRelu of that with
 * a slope from −1 to 1, which integers can do as max(y, slope · y): whatever the slope was that the import began with.
 */
export function restorePrelu(model: OnnxModel): OnnxModel {
  const draft = new GraphDraft(model);
  for (const node of model.nodes) {
    if (node.opType !== 'Add' || node.domain !== '') continue;
    const found = rewrittenPrelu(draft, node);
    if (found !== undefined) restore(draft, found);
  }
  return draft.model;
}

function rewrittenPrelu(draft: GraphDraft, sum: GraphNode): RewrittenPrelu | undefined {
  const parts = sum.inputs.map((input) => draft.index.producer(input));
  const relu = parts.find((part) => part?.opType === 'Relu' && part.domain === '');
  const linear = parts.find((part) => part !== relu);
  const slope = convolutionOf(draft, linear);
  const producer = convolutionOf(draft, draft.index.producer(relu?.inputs[0] ?? ''));
  if (relu === undefined || linear === undefined || slope === undefined || producer === undefined) return undefined;
  const found = { sum, relu, linear, producer, ratios: slope.weights.values };
  const isSlope = slope.kind === 'depthwise' && slope.bias === undefined && found.ratios.length === producer.outputs;
  return isSlope && isReadByNobodyElse(draft, found) ? found : undefined;
}

/** Whether both parts are made of one value, and all in between is read by the parts and the sum alone. */
function isReadByNobodyElse(draft: GraphDraft, { sum, relu, linear }: RewrittenPrelu): boolean {
  const [input = ''] = relu.inputs;
  return (
    linear.inputs[0] === input &&
    !draft.index.isOutput(input) &&
    draft.index.consumers(input).every((reader) => reader === relu || reader === linear) &&
    [relu, linear].every(({ outputs }) => draft.isReadOnlyBy(outputs[0] ?? '', sum))
  );
}

function restore(draft: GraphDraft, { sum, relu, linear, producer, ratios }: RewrittenPrelu): void {
  const steeper = (ratio: number): number => (ratio < -0.5 ? ratio : 1 + ratio);
  const flatter = (ratio: number): number => (ratio < -0.5 ? 1 + ratio : ratio);
  scaleOutputs(draft, producer, [...ratios].map(steeper));
  const spatial = producer.weights.dims.length - 2;
  const dims = [ratios.length, ...Array.from({ length: spatial }, () => 1)];
  const slopes = floatTensor(
    dims,
    ratios.map((ratio) => flatter(ratio) / steeper(ratio)),
  );
  const [output = ''] = sum.outputs;
  const slopeName = draft.addConstant(output, 'slopes', slopes);
  draft.replace(relu);
  draft.replace(linear);
  draft.replace(sum, { ...sum, opType: 'PRelu', inputs: [relu.inputs[0] ?? '', slopeName], attributes: new Map() });
}
