import type { AttributeProto, ModelProto, ValueInfoProto } from 'onnx-buf';

import type { Tensor } from './tensor.js';

/** One operation. An input that is left out is the empty name, as in ONNX. */
export interface GraphNode {
  readonly opType: string;
  /** '' is ONNX's own. */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeProto>;
}

/**
 * An ONNX model as the passes see it: values are named, every name has one origin, and nodes come after what
 * they read. A pass returns another model and changes nothing in the one it was given.
 */
export interface OnnxModel {
  /** Version of ONNX's own operator set. */
  readonly opset: number;
  /** Operator sets of other domains, and their versions. */
  readonly otherOpsets: ReadonlyMap<string, number>;
  readonly nodes: readonly GraphNode[];
  /** The graph's constants. */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** Without the constants, which old files list among them. */
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
  /** The rest of the file: what no pass looks at. */
  readonly rest: ModelProto;
}

/** Who makes and who reads each value of a model. */
export interface GraphIndex {
  /** The node that computes a value; undefined for inputs and constants. */
  producer(value: string): GraphNode | undefined;
  /** The nodes that read a value, once each. */
  consumers(value: string): readonly GraphNode[];
  isOutput(value: string): boolean;
}

const nobody: readonly GraphNode[] = [];

export function indexGraph({ nodes, outputs }: Pick<OnnxModel, 'nodes' | 'outputs'>): GraphIndex {
  const producers = new Map<string, GraphNode>();
  const consumers = new Map<string, GraphNode[]>();
  for (const node of nodes) {
    for (const output of node.outputs) producers.set(output, node);
    for (const input of new Set(node.inputs)) {
      const known = consumers.get(input);
      if (known) known.push(node);
      else consumers.set(input, [node]);
    }
  }
  const outputNames = new Set(outputs.map(({ name }) => name));
  return {
    producer: (value) => producers.get(value),
    consumers: (value) => consumers.get(value) ?? nobody,
    isOutput: (value) => outputNames.has(value),
  };
}

/** A name that no value of the model has: `{base}.{suffix}`, numbered when that is taken. */
export function freshName(model: OnnxModel, base: string, suffix: string): string {
  const taken = new Set([
    ...model.constants.keys(),
    ...model.inputs.map(({ name }) => name),
    ...model.nodes.flatMap(({ outputs }) => outputs),
  ]);
  const plain = `${base}.${suffix}`;
  let name = plain;
  for (let number = 2; taken.has(name); number++) name = `${plain}${number}`;
  return name;
}
