import { AppError } from '@sightline/kernel';
import { TensorProto_DataLocation, type AttributeProto, type ModelProto, type TensorProto } from 'onnx-buf';

import { parseModel } from './model-file.js';
import { scanFields, type WireField } from './wire-scan.js';

/** Largest counts that a model for faces has any use for: the largest of the catalog has a few hundred nodes. */
const LIMITS = {
  nodes: 20_000,
  constants: 20_000,
  values: 50_000,
  fieldsOfNode: 10_000,
  operatorSets: 32,
  notes: 1_000,
};
/** Elements of one tensor, and of all together. */
const LARGEST_TENSOR = 2 ** 28;
/** What ONNX Runtime's and our own passes know. Before 7, operators broadcast by rules of their own. */
const OPSETS = { oldest: 7, newest: 24 };
const domains = new Set(['', 'ai.onnx', 'com.microsoft']);

// Numbers of the fields in onnx.proto.
const MODEL = { graph: 7, operatorSet: 8, note: 14, training: 20, function: 25 };
const GRAPH = { node: 1, initialiser: 5, input: 11, output: 12, value: 13, annotation: 14, sparse: 15 };
const NODE = { attribute: 5 };
const ATTRIBUTE = { graph: 6, graphs: 11, sparse: 22, sparses: 23 };

/** What a model says of itself. */
export interface ModelOutline {
  readonly opset: number;
  readonly nodes: number;
  /** How often each operator stands in it. */
  readonly operators: Readonly<Record<string, number>>;
  /** Elements of all constants. */
  readonly parameters: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/**
 * Looks at a file of unknown origin before anything else reads it: first at its bytes alone, so that a small file which
 * stands for billions of objects is refused before there is one of them, then at what it says.
 *
 * @throws AppError `MODEL.INVALID` for what is no ONNX model, contradicts itself, keeps data elsewhere or is larger than
 *   any model of ours; `MODEL.UNSUPPORTED` for what is one and cannot be served: control flow, functions, sparse
 *   constants, other operator sets
 */
export function vetModel(bytes: Uint8Array): ModelOutline {
  scan(bytes);
  const proto = parseModel(bytes);
  const opset = vetOpsets(proto);
  const { graph } = proto;
  if (graph === undefined) throw invalid('The file holds no ONNX model.');
  const tensors = [...graph.initializer, ...graph.node.flatMap(({ attribute }) => attribute.flatMap(tensorsOf))];
  let parameters = 0;
  for (const tensor of tensors) parameters += vetTensor(tensor);
  if (parameters > LARGEST_TENSOR) throw invalid('The constants of the model are larger than any model of ours.');
  vetOrder(proto);
  const constants = new Set(graph.initializer.map(({ name }) => name));
  const operators: Record<string, number> = {};
  for (const { opType, domain } of graph.node) {
    if (!domains.has(domain)) throw unsupported('An operator is of a set that is not known here.', { domain, opType });
    operators[opType] = (operators[opType] ?? 0) + 1;
  }
  return {
    ...{ opset, nodes: graph.node.length, operators, parameters },
    inputs: graph.input.map(({ name }) => name).filter((name) => !constants.has(name)),
    outputs: graph.output.map(({ name }) => name),
  };
}

function invalid(sentence: string, details: Readonly<Record<string, string | number>> = {}): AppError {
  return new AppError('MODEL.INVALID', sentence, { details });
}

function unsupported(sentence: string, details: Readonly<Record<string, string | number>> = {}): AppError {
  return new AppError('MODEL.UNSUPPORTED', sentence, { details });
}

/** Counts what the file would become, from its bytes alone. */
function scan(bytes: Uint8Array): void {
  const counts = new Map<string, number>();
  const count = (what: keyof typeof LIMITS): void => {
    const counted = (counts.get(what) ?? 0) + 1;
    counts.set(what, counted);
    if (counted > LIMITS[what]) throw invalid('The file has more parts than any model of ours.', { part: what });
  };
  let graphs = 0;
  const whole = scanFields(bytes, 0, bytes.length, (field) => {
    if (field.number === MODEL.function) throw unsupported('Functions of a model’s own are not supported.');
    if (field.number === MODEL.training) throw unsupported('A model with training steps is not supported.');
    if (field.number === MODEL.operatorSet) count('operatorSets');
    if (field.number === MODEL.note) count('notes');
    if (field.number !== MODEL.graph) return;
    graphs += 1;
    if (!field.isMessage || !scanGraph(bytes, field, count)) throw invalid('The file cannot be read as ONNX.');
  });
  if (!whole || graphs !== 1) throw invalid('The file cannot be read as ONNX: it is none, or ends too early.');
}

function scanGraph(bytes: Uint8Array, graph: WireField, count: (what: keyof typeof LIMITS) => void): boolean {
  let isWhole = true;
  const isScanned = scanFields(bytes, graph.start, graph.end, (field) => {
    if (field.number === GRAPH.sparse) throw unsupported('Sparse constants are not supported.');
    if (field.number === GRAPH.initialiser) count('constants');
    if ([GRAPH.input, GRAPH.output, GRAPH.value, GRAPH.annotation].includes(field.number)) count('values');
    if (field.number !== GRAPH.node) return;
    count('nodes');
    isWhole &&= field.isMessage && scanNode(bytes, field);
  });
  return isScanned && isWhole;
}

function scanNode(bytes: Uint8Array, node: WireField): boolean {
  let fields = 0;
  let isWhole = true;
  const isScanned = scanFields(bytes, node.start, node.end, (field) => {
    fields += 1;
    if (fields > LIMITS.fieldsOfNode)
      throw invalid('The file has more parts than any model of ours.', { part: 'node' });
    if (field.number !== NODE.attribute) return;
    isWhole &&= field.isMessage && scanAttribute(bytes, field);
  });
  return isScanned && isWhole;
}

/** Graphs inside of nodes are refused here, before a decoder follows them down. */
function scanAttribute(bytes: Uint8Array, attribute: WireField): boolean {
  return scanFields(bytes, attribute.start, attribute.end, ({ number }) => {
    if (number === ATTRIBUTE.graph || number === ATTRIBUTE.graphs) {
      throw unsupported('Control flow (If, Loop, Scan) is not supported.');
    }
    if (number === ATTRIBUTE.sparse || number === ATTRIBUTE.sparses) {
      throw unsupported('Sparse constants are not supported.');
    }
  });
}

function vetOpsets({ opsetImport }: ModelProto): number {
  for (const { domain, version } of opsetImport) {
    // Other sets may be named and not used: exporters list what they know.
    if (domain !== '' && domain !== 'ai.onnx') continue;
    if (version >= OPSETS.oldest && version <= OPSETS.newest) return Number(version);
    throw unsupported('The operator set of the model is not supported.', { ...OPSETS, version: String(version) });
  }
  throw invalid('The model names no operator set.');
}

function tensorsOf({ t, tensors }: AttributeProto): readonly TensorProto[] {
  return t === undefined ? tensors : [t, ...tensors];
}

/** @returns its elements */
function vetTensor({ dims, dataLocation, externalData, name }: TensorProto): number {
  if (dataLocation === TensorProto_DataLocation.EXTERNAL || externalData.length > 0) {
    throw invalid('A tensor of the model keeps its data in another file.', { tensor: name.slice(0, 100) });
  }
  const elements = dims.reduce((product, dim) => product * Number(dim), 1);
  if (dims.length > 16 || dims.some((dim) => dim < 0n) || !(elements <= LARGEST_TENSOR)) {
    throw invalid('A tensor of the model says that it is larger than any model of ours.', {
      tensor: name.slice(0, 100),
    });
  }
  return elements;
}

/** ONNX lists nodes in the order in which they can run (IR, "Graphs"); a cycle has no such order. */
function vetOrder({ graph }: ModelProto): void {
  if (graph === undefined) return;
  const known = new Set(['', ...graph.input.map(({ name }) => name), ...graph.initializer.map(({ name }) => name)]);
  for (const { input, output, opType } of graph.node) {
    const missing = input.find((name) => !known.has(name));
    if (missing !== undefined) {
      throw invalid('A node reads a value that no node before it gives: a cycle, or a part is missing.', { opType });
    }
    for (const name of output) {
      if (name !== '' && known.has(name)) throw invalid('Two nodes of the model give one value.', { opType });
      known.add(name);
    }
  }
  const lost = graph.output.find(({ name }) => !known.has(name));
  if (lost !== undefined) throw invalid('An output of the model is given by no node.');
}
