import { floatAttribute, integerAttribute } from '../attributes.js';
import { convolutionOf } from '../convolution.js';
import type { GraphNode } from '../graph.js';
import { GraphDraft } from '../graph-draft.js';
import type { OnnxModel } from '../graph.js';

/**
 * How an operation is done with integers. 'weighted': Conv, Gemm or MatMul with constant weights; 'prelu'; 'moving':
 * one that only moves or picks values, so that what comes out has the code of what goes in; 'computing': any other
 * that ONNX Runtime has with integers.
 */
type IntegerKind = 'weighted' | 'prelu' | 'moving' | 'computing';

/** An operation that is done with integers. */
export interface IntegerOperation {
  readonly kind: IntegerKind;
  readonly node: GraphNode;
  /** The Relu or Clip that alone reads it: a code has limits of its own, which do the same. */
  readonly limiter: GraphNode | undefined;
  /** The float value whose code is computed: the limiter's output, or else the node's own. */
  readonly output: string;
}

/** Which operations of a model are done with integers, by the values that they compute. */
export interface IntegerPlan {
  readonly operations: ReadonlyMap<string, IntegerOperation>;
  /** Names of all weighted layers (the values that their nodes compute) that integers can do, in the graph's order. */
  readonly layers: readonly string[];
  /** Values that have a code, with the value whose code they share: their own, but for moving and PRelu. */
  readonly codes: ReadonlyMap<string, string>;
}

const moving = new Set(['MaxPool', 'Reshape', 'Transpose', 'Flatten', 'Squeeze', 'Unsqueeze', 'Resize']);
const computing = new Set(['Add', 'Mul', 'Concat', 'AveragePool', 'GlobalAveragePool', 'Sigmoid', 'LeakyRelu']);

/**
 * Decides what of a graph is done with integers: every layer with constant weights that is not in `keptFloat`, and
 * what lies between such layers.
 *
 * @param keptFloat names of layers, as in {@link IntegerPlan.layers}
 */
export function planIntegers(model: OnnxModel, keptFloat: ReadonlySet<string>): IntegerPlan {
  const draft = new GraphDraft(model);
  const layers = model.nodes.filter((node) => isWeighted(draft, node)).map(({ outputs }) => outputs[0] ?? '');
  const candidates = new Map<string, IntegerOperation>();
  for (const node of model.nodes) {
    const kind = kindOf(draft, node, candidates);
    const [own = ''] = node.outputs;
    if (kind === undefined || keptFloat.has(own)) continue;
    const limiter = kind === 'prelu' || kind === 'moving' ? undefined : limiterOf(draft, own);
    const output = limiter?.outputs[0] ?? own;
    candidates.set(output, { kind, node, limiter, output });
  }
  const operations = withoutLooseEnds(draft, candidates);
  return { operations, layers, codes: codesOf(draft, operations) };
}

/** The values that an operation reads and that are computed, not constants. */
export function computedInputs(model: OnnxModel, { inputs }: GraphNode): readonly string[] {
  return inputs.filter((name) => name !== '' && !model.constants.has(name));
}

function kindOf(
  draft: GraphDraft,
  node: GraphNode,
  candidates: ReadonlyMap<string, IntegerOperation>,
): IntegerKind | undefined {
  if (node.domain !== '' || node.outputs.length !== 1) return undefined;
  if (isWeighted(draft, node)) return 'weighted';
  const [first = ''] = node.inputs;
  if (node.opType === 'PRelu') return isIntegerPrelu(draft, node) && candidates.has(first) ? 'prelu' : undefined;
  const readsIntegers = computedInputs(draft.model, node).every((input) => candidates.has(input));
  if (!readsIntegers) return undefined;
  if (moving.has(node.opType)) return isMoving(node) ? 'moving' : undefined;
  const hasConstants = node.inputs.some((input) => draft.model.constants.has(input));
  return computing.has(node.opType) && !hasConstants ? 'computing' : undefined;
}

/** Resize picks values only when it takes the nearest. */
function isMoving(node: GraphNode): boolean {
  if (node.opType !== 'Resize') return true;
  const mode = node.attributes.get('mode');
  return mode === undefined || new TextDecoder().decode(mode.s) === 'nearest';
}

function isWeighted(draft: GraphDraft, node: GraphNode): boolean {
  if (node.domain !== '') return false;
  if (node.opType === 'Conv') return convolutionOf(draft, node) !== undefined;
  const weights = draft.floats(node.inputs[1]);
  const isMatrix = weights?.dims.length === 2;
  if (node.opType === 'MatMul') return isMatrix;
  if (node.opType !== 'Gemm' || !isMatrix) return false;
  const isPlain =
    floatAttribute(node, 'alpha', 1) === 1 &&
    floatAttribute(node, 'beta', 1) === 1 &&
    integerAttribute(node, 'transA', 0) === 0;
  const outputs = weights.dims[integerAttribute(node, 'transB', 0) === 0 ? 1 : 0];
  const [, , bias] = node.inputs;
  return isPlain && (bias === undefined || bias === '' || draft.floats(bias)?.values.length === outputs);
}

/** max(y, a · y) is PRelu when no slope a is above 1. */
function isIntegerPrelu(draft: GraphDraft, node: GraphNode): boolean {
  return draft.floats(node.inputs[1])?.values.every((slope) => slope <= 1) ?? false;
}

function limiterOf(draft: GraphDraft, value: string): GraphNode | undefined {
  const [reader, ...more] = draft.index.consumers(value);
  if (reader === undefined || more.length > 0 || reader.domain !== '' || draft.index.isOutput(value)) return undefined;
  return limitsOf(draft, reader) === undefined ? undefined : reader;
}

/** What a Relu or Clip leaves of the numbers; undefined when the node is none, or takes 0 away. */
function limitsOf(draft: GraphDraft, node: GraphNode): { low: number; high: number } | undefined {
  if (node.opType === 'Relu') return { low: 0, high: Number.POSITIVE_INFINITY };
  if (node.opType !== 'Clip') return undefined;
  const limit = (index: number, missing: number): number | undefined => {
    const name = node.inputs[index];
    return name === undefined || name === '' ? missing : draft.floats(name)?.values[0];
  };
  const low = limit(1, Number.NEGATIVE_INFINITY);
  const high = limit(2, Number.POSITIVE_INFINITY);
  return low !== undefined && high !== undefined && low <= 0 && high >= 0 ? { low, high } : undefined;
}

/** Without those whose values reach no weighted layer as integers: after the last one, floats are better. */
function withoutLooseEnds(
  draft: GraphDraft,
  candidates: ReadonlyMap<string, IntegerOperation>,
): ReadonlyMap<string, IntegerOperation> {
  const byNode = new Map([...candidates.values()].map((operation) => [operation.node, operation]));
  const needed = new Set<string>();
  for (const operation of [...candidates.values()].toReversed()) {
    const { kind, output } = operation;
    const readers = draft.index.consumers(output).map((reader) => byNode.get(reader));
    if (kind === 'weighted' || readers.some((reader) => reader && needed.has(reader.output))) needed.add(output);
  }
  return new Map([...candidates].filter(([output]) => needed.has(output)));
}

function codesOf(
  { model }: GraphDraft,
  operations: ReadonlyMap<string, IntegerOperation>,
): ReadonlyMap<string, string> {
  const codes = new Map<string, string>();
  for (const { kind, node, output } of operations.values()) {
    const inputs = computedInputs(model, node);
    for (const input of inputs) if (!codes.has(input)) codes.set(input, input);
    const [first = ''] = inputs;
    codes.set(output, kind === 'prelu' || kind === 'moving' ? (codes.get(first) ?? first) : output);
  }
  return codes;
}
