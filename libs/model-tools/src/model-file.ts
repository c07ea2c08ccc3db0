import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { AppError, errorMessage } from '@sightline/kernel';
import {
  AttributeProto_AttributeType,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type GraphProto,
  type ModelProto,
  type NodeProto,
} from 'onnx-buf';

import type { GraphNode, OnnxModel } from './graph.js';
import { decodeTensor, encodeTensor } from './tensor.js';

/** Version of the file format that goes with operator set 13. */
const OLDEST_VERSION = 7n;

/**
 * Reads an ONNX file.
 *
 * @throws AppError `MODEL.INVALID` when the bytes are no ONNX model, or its data lie in other files
 */
export function readModel(bytes: Uint8Array): OnnxModel {
  const rest = parseModel(bytes);
  const { graph } = rest;
  const opset = rest.opsetImport.find(({ domain }) => isOwnDomain(domain))?.version;
  if (graph === undefined || graph.node.length === 0 || opset === undefined) {
    throw new AppError('MODEL.INVALID', 'The file holds no ONNX model.');
  }
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, decodeTensor(tensor)]));
  const others = rest.opsetImport.filter(({ domain }) => !isOwnDomain(domain));
  return {
    opset: Number(opset),
    otherOpsets: new Map(others.map(({ domain, version }) => [domain, Number(version)])),
    nodes: graph.node.map(decodeNode),
    constants,
    inputs: graph.input.filter(({ name }) => !constants.has(name)),
    outputs: graph.output,
    rest,
  };
}

/**
 * Writes an ONNX file. The same model gives the same bytes on every machine. Shapes that the file stated of
 * values in between are left out: passes change them, and every runtime infers them.
 */
export function writeModel(model: OnnxModel): Uint8Array {
  const { rest, opset, otherOpsets } = model;
  const operatorSets = [['', opset] as const, ...otherOpsets].map(([domain, version]) =>
    create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
  );
  // From version 4 on, a constant need not be an input too; what came later up to 7 changed no file of before.
  const irVersion = rest.irVersion > OLDEST_VERSION ? rest.irVersion : OLDEST_VERSION;
  return toBinary(ModelProtoSchema, {
    ...rest,
    irVersion,
    opsetImport: operatorSets,
    graph: encodeGraph(model, rest.graph),
  });
}

/**
 * Whether the passes may change the model's structure: names inside of subgraphs, functions, sparse constants
 * and quantisation notes refer to values in ways that they do not follow.
 */
export function hasPlainGraph({ nodes, rest }: OnnxModel): boolean {
  const { graph, functions, trainingInfo } = rest;
  const special = graph && graph.sparseInitializer.length + graph.quantizationAnnotation.length > 0;
  if (special === true || functions.length > 0 || trainingInfo.length > 0) return false;
  const nested = new Set([AttributeProto_AttributeType.GRAPH, AttributeProto_AttributeType.GRAPHS]);
  return nodes.every(({ attributes }) => [...attributes.values()].every(({ type }) => !nested.has(type)));
}

/**
 * Decodes an ONNX file, without a look at what it says.
 *
 * @throws AppError `MODEL.INVALID`
 */
export function parseModel(bytes: Uint8Array): ModelProto {
  try {
    // A copy: protobuf's byte fields are views, and Node shares one buffer among many files.
    return fromBinary(ModelProtoSchema, new Uint8Array(bytes));
  } catch (error) {
    throw new AppError('MODEL.INVALID', `The file cannot be read as ONNX: ${errorMessage(error)}`, { cause: error });
  }
}

/** ONNX's own operator set has two spellings. */
function isOwnDomain(domain: string): boolean {
  return domain === '' || domain === 'ai.onnx';
}

function decodeNode({ opType, domain, name, input, output, attribute }: NodeProto): GraphNode {
  const attributes = new Map(attribute.map((value) => [value.name, value]));
  return { opType, domain: isOwnDomain(domain) ? '' : domain, name, inputs: input, outputs: output, attributes };
}

function encodeGraph({ nodes, constants, inputs, outputs }: OnnxModel, graph: GraphProto | undefined): GraphProto {
  return {
    ...(graph ?? create(GraphProtoSchema)),
    node: nodes.map(({ opType, domain, name, inputs: input, outputs: output, attributes }) =>
      create(NodeProtoSchema, {
        opType,
        domain,
        name,
        input: [...input],
        output: [...output],
        attribute: [...attributes.values()],
      }),
    ),
    initializer: [...constants].map(([name, tensor]) => encodeTensor(name, tensor)),
    input: [...inputs],
    output: [...outputs],
    valueInfo: [],
  };
}

/**
 * A model whose structure may be changed.
 *
 * @param verb what cannot be done with any other, for the refusal: "pruned"
 * @throws AppError `MODEL.INVALID`, `MODEL.NOT_OPTIMISABLE`
 */
export function readPlainModel(bytes: Uint8Array, verb: string): OnnxModel {
  const model = readModel(bytes);
  if (hasPlainGraph(model)) return model;
  throw new AppError('MODEL.NOT_OPTIMISABLE', `A model with graphs inside of nodes cannot be ${verb}.`);
}
