import { integerAttribute, integersAttribute, stringAttribute } from './attributes.js';
import type { Convolution } from './convolution.js';
import type { GraphNode } from './graph.js';

/** How a convolution walks over its input; one number for each spatial axis. */
export interface Geometry {
  readonly kernel: readonly number[];
  /** Zeros before the first and behind the last place. */
  readonly begin: readonly number[];
  readonly end: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly groups: number;
  /** [outputs, inputs / groups] */
  readonly channels: readonly [number, number];
}

/** Undefined when the padding depends on the input's size (`auto_pad`: SAME). */
export function geometryOf({ node, weights }: Convolution): Geometry | undefined {
  const [outputs = 0, inputs = 0, ...kernel] = weights.dims;
  const axes = kernel.length;
  const padding = stringAttribute(node, 'auto_pad', 'NOTSET');
  if (padding !== 'NOTSET' && padding !== 'VALID') return undefined;
  const pads = listOf(node, padding === 'VALID' ? '' : 'pads', axes * 2, 0);
  return {
    kernel,
    begin: pads.slice(0, axes),
    end: pads.slice(axes),
    strides: listOf(node, 'strides', axes, 1),
    dilations: listOf(node, 'dilations', axes, 1),
    groups: integerAttribute(node, 'group', 1),
    channels: [outputs, inputs],
  };
}

function listOf(node: GraphNode, name: string, length: number, missing: number): readonly number[] {
  return integersAttribute(node, name)?.map(Number) ?? Array.from({ length }, () => missing);
}
