import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType, AttributeProtoSchema, type AttributeProto } from 'onnx-buf';

import type { GraphNode } from './graph.js';

type Attributes = ReadonlyMap<string, AttributeProto>;

/** An integer attribute; `missing` when the node has none of this name. */
export function integerAttribute(node: GraphNode, name: string, missing: number): number {
  const found = node.attributes.get(name);
  return found === undefined ? missing : Number(found.i);
}

/** A list of integers; undefined when the node has no such attribute. */
export function integersAttribute(node: GraphNode, name: string): readonly bigint[] | undefined {
  return node.attributes.get(name)?.ints;
}

/** A float attribute; `missing` when the node has none of this name. */
export function floatAttribute(node: GraphNode, name: string, missing: number): number {
  return node.attributes.get(name)?.f ?? missing;
}

/** A string attribute; `missing` when the node has none of this name. */
export function stringAttribute(node: GraphNode, name: string, missing: string): string {
  const found = node.attributes.get(name);
  return found === undefined ? missing : new TextDecoder().decode(found.s);
}

/** Attributes with integer values: a number is one integer, an array a list of them. */
export function integerAttributes(values: Readonly<Record<string, number | readonly number[]>>): Attributes {
  return new Map(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'number'
        ? create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) })
        : create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: value.map(BigInt) }),
    ]),
  );
}

/** All but the named ones. */
export function withoutAttributes({ attributes }: GraphNode, ...names: readonly string[]): Attributes {
  return new Map([...attributes].filter(([name]) => !names.includes(name)));
}
