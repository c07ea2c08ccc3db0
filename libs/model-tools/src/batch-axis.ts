import { integerAttribute, integersAttribute } from './attributes.js';
import type { GraphNode } from './graph.js';
import type { GraphDraft } from './graph-draft.js';

/**
 * What is known of a value about the batch:
 * - 'batched': its first axis is the batch, and each item of it depends on the same item of the input alone;
 * - 'shape': it is the shape of a batched value;
 * - 'count': it is the number of items in the batch;
 * - 'target': it is a shape for a Reshape, the batch first, with these dimensions after it.
 */
export type BatchTrace =
  | { readonly kind: 'batched'; readonly rank: number }
  | { readonly kind: 'shape' }
  | { readonly kind: 'count' }
  | { readonly kind: 'target'; readonly rest: readonly bigint[] };

type Traces = ReadonlyMap<string, BatchTrace>;

/** Operators whose items depend on the first input's items alone, all other inputs being constants. */
const itemwise = new Set(
  (
    'Abs AveragePool BatchNormalization Clip Conv Elu Exp GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish ' +
    'Identity LeakyRelu Log MaxPool Neg PRelu Reciprocal Relu Selu Sigmoid Softplus Sqrt Tanh'
  ).split(' '),
);
const elementwise = new Set(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Pow', 'Sum']);

/**
 * Follows the batch through one node.
 *
 * @returns what is known of the node's first output; undefined when nothing is
 */
export function traceBatch(draft: GraphDraft, node: GraphNode, traces: Traces): BatchTrace | undefined {
  if (node.domain !== '') return undefined;
  const [first] = node.inputs.map((input) => traces.get(input));
  if (elementwise.has(node.opType)) return ofElementwise(draft, node, traces);
  if (node.opType === 'Concat') return ofConcat(draft, node, traces);
  if (node.inputs.slice(1).some((input) => traces.get(input)?.kind === 'batched')) return undefined;
  switch (first?.kind) {
    case 'batched':
      return itemwise.has(node.opType) ? first : ofBatched.get(node.opType)?.(draft, node, first.rank, traces);
    case 'shape':
      return takesFirst(draft, node) ? { kind: 'count' } : undefined;
    case 'count':
      return node.opType === 'Unsqueeze' || node.opType === 'Squeeze' ? first : undefined;
    default:
      return undefined;
  }
}

type OfBatched = (draft: GraphDraft, node: GraphNode, rank: number, traces: Traces) => BatchTrace | undefined;

/** Operators with rules of their own for a batched first input of the given rank. */
const ofBatched: ReadonlyMap<string, OfBatched> = new Map<string, OfBatched>([
  ['Shape', () => ({ kind: 'shape' })],
  [
    'Reshape',
    (draft, node, _rank, traces) => {
      const rest = reshapeRest(draft, node, traces);
      return rest && { kind: 'batched', rank: rest.length + 1 };
    },
  ],
  ['Transpose', (_draft, node, rank) => batchedIf(integersAttribute(node, 'perm')?.[0] === 0n, rank)],
  ['Flatten', (_draft, node) => batchedIf(integerAttribute(node, 'axis', 1) === 1, 2)],
  ['Softmax', ofSoftmax],
  ['LogSoftmax', ofSoftmax],
  [
    'Slice',
    (draft, node, rank) => {
      const axes = draft.integers(node.inputs[3])?.values;
      return batchedIf(axes?.every((axis) => Number(axis) % rank !== 0) === true, rank);
    },
  ],
  ['MatMul', (draft, node, rank) => batchedIf(draft.floats(node.inputs[1])?.dims.length === 2, rank)],
  [
    'Gemm',
    (draft, node) => {
      const added = draft.floats(node.inputs[2])?.dims ?? [];
      const isAddedToEach = added.length < 2 || added[0] === 1;
      return batchedIf(integerAttribute(node, 'transA', 0) === 0 && isAddedToEach, 2);
    },
  ],
]);

function batchedIf(condition: boolean, rank: number): BatchTrace | undefined {
  return condition ? { kind: 'batched', rank } : undefined;
}

function ofSoftmax(draft: GraphDraft, node: GraphNode, rank: number): BatchTrace | undefined {
  const axis = integerAttribute(node, 'axis', draft.model.opset >= 13 ? -1 : 1);
  return batchedIf(axis % rank !== 0, rank);
}

/**
 * The dimensions after the batch that a Reshape of a batched value gives, where its shape is constant for a
 * batch of one, or computed from the batch; undefined when the batch does not stay first.
 */
export function reshapeRest(draft: GraphDraft, node: GraphNode, traces: Traces): readonly bigint[] | undefined {
  if (integerAttribute(node, 'allowzero', 0) !== 0) return undefined;
  const target = traces.get(node.inputs[1] ?? '');
  if (target?.kind === 'target') return target.rest;
  const [first, ...rest] = draft.integers(node.inputs[1])?.values ?? [];
  const keepsBatch = first === 0n || first === 1n || (first === -1n && !rest.includes(-1n));
  return keepsBatch && rest.length > 0 ? rest : undefined;
}

/** All batched values have one rank, and constants add nothing to the first axis. */
function ofElementwise(draft: GraphDraft, { inputs }: GraphNode, traces: Traces): BatchTrace | undefined {
  const ranks = new Set<number>();
  for (const input of inputs) {
    const trace = traces.get(input);
    if (trace?.kind === 'batched') ranks.add(trace.rank);
    else if (!draft.model.constants.has(input)) return undefined;
  }
  const [rank] = ranks;
  if (rank === undefined || ranks.size > 1) return undefined;
  const constants = inputs.map((input) => draft.model.constants.get(input)?.dims).filter((dims) => dims !== undefined);
  const fits = constants.every((dims) => dims.length < rank || (dims.length === rank && dims[0] === 1));
  return fits ? { kind: 'batched', rank } : undefined;
}

function ofConcat(draft: GraphDraft, node: GraphNode, traces: Traces): BatchTrace | undefined {
  const axis = integerAttribute(node, 'axis', 0);
  const [first, ...others] = node.inputs.map((input) => traces.get(input));
  if (first?.kind === 'batched') {
    const isAlike = others.every((trace) => trace?.kind === 'batched' && trace.rank === first.rank);
    return isAlike && axis % first.rank !== 0 ? first : undefined;
  }
  if (first?.kind !== 'count' || axis !== 0) return undefined;
  const parts = node.inputs.slice(1).map((input) => draft.integers(input)?.values);
  return parts.includes(undefined) ? undefined : { kind: 'target', rest: parts.flatMap((part) => part ?? []) };
}

/** Whether the node takes the first of a list's elements. */
function takesFirst(draft: GraphDraft, node: GraphNode): boolean {
  const indices = draft.integers(node.inputs[1]);
  return node.opType === 'Gather' && indices?.values.length === 1 && indices.values[0] === 0n;
}
