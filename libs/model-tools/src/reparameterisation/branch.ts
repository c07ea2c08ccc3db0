import { convolutionOf } from '../convolution.js';
import { geometryOf, type Geometry } from '../convolution-geometry.js';
import type { GraphNode } from '../graph.js';
import type { GraphDraft } from '../graph-draft.js';
import { sizeOf } from '../tensor.js';
import { normalisationOf } from './batch-normalisation.js';

/** One term of a sum: a convolution of `source`, or `source` itself, each channel scaled and shifted or as it is. */
export type Branch = ConvolutionBranch | IdentityBranch;

export interface ConvolutionBranch {
  readonly kind: 'convolution';
  readonly source: string;
  readonly node: GraphNode;
  readonly geometry: Geometry;
  /** [outputs, inputs / groups, kernel…] */
  readonly weights: ArrayLike<number>;
  /** Empty: zero. */
  readonly bias: ArrayLike<number>;
}

export interface IdentityBranch {
  readonly kind: 'identity';
  readonly source: string;
  /** Undefined: one, and zero. */
  readonly scales: readonly number[] | undefined;
  readonly shifts: readonly number[] | undefined;
}

/** Reads one term of the sum `reader`. What others read too, and what is not known here, is a term that stays. */
export function branchOf(draft: GraphDraft, value: string, reader: GraphNode): Branch {
  const node = draft.index.producer(value);
  const itself: Branch = { kind: 'identity', source: value, scales: undefined, shifts: undefined };
  if (node === undefined || !draft.isReadOnlyBy(value, reader)) return itself;
  const affine = normalisationOf(draft, node);
  if (affine) return { kind: 'identity', source: node.inputs[0] ?? '', ...affine };
  return convolutionBranch(draft, node) ?? itself;
}

function convolutionBranch(draft: GraphDraft, node: GraphNode): ConvolutionBranch | undefined {
  const convolution = convolutionOf(draft, node);
  if (convolution === undefined) return undefined;
  const geometry = geometryOf(convolution);
  if (geometry?.dilations.every((step, axis) => step === 1 || geometry.kernel[axis] === 1) !== true) return undefined;
  const { weights, bias } = convolution;
  const [source = ''] = node.inputs;
  return { kind: 'convolution', source, node, geometry, weights: weights.values, bias: bias?.values ?? [] };
}

/**
 * The smallest kernel in which all of the branches fit, its padding with it; undefined when they see different
 * places, or their channels are grouped otherwise.
 */
export function commonGeometry(branches: readonly Branch[]): Geometry | undefined {
  const geometries = branches.filter(isConvolution).map(({ geometry }) => geometry);
  const [first] = geometries;
  if (first === undefined) return undefined;
  const axes = [...first.kernel.keys()];
  const begin = axes.map((axis) => Math.max(...geometries.map((one) => one.begin[axis] ?? 0)));
  const reach = axes.map((axis) =>
    Math.max(...geometries.map((one) => (one.kernel[axis] ?? 1) - (one.begin[axis] ?? 0))),
  );
  const kernel = axes.map((axis) => (begin[axis] ?? 0) + (reach[axis] ?? 1));
  const end = axes.map((axis) => (kernel[axis] ?? 1) + growthOf(first, axis) - (begin[axis] ?? 0));
  const whole = { ...first, kernel, begin, end };
  const fits = geometries.every((one) => isAlike(one, whole)) && end.every((pad) => pad >= 0);
  const hasIdentity = geometries.length < branches.length;
  return fits && (!hasIdentity || keepsPlaces(whole)) ? whole : undefined;
}

export function isConvolution(branch: Branch): branch is ConvolutionBranch {
  return branch.kind === 'convolution';
}

/** By how much the output is longer than the input along an axis, before strides, less one. */
function growthOf({ kernel, begin, end }: Geometry, axis: number): number {
  return (begin[axis] ?? 0) + (end[axis] ?? 0) - (kernel[axis] ?? 1);
}

function isAlike(one: Geometry, other: Geometry): boolean {
  return (
    one.kernel.length === other.kernel.length &&
    one.groups === other.groups &&
    one.channels.every((count, index) => count === other.channels[index]) &&
    one.strides.every((stride, axis) => stride === other.strides[axis]) &&
    one.kernel.every((_, axis) => growthOf(one, axis) === growthOf(other, axis))
  );
}

/** Whether output k at a place could be input k at that place. */
function keepsPlaces(geometry: Geometry): boolean {
  const { kernel, strides, groups, channels } = geometry;
  const [outputs, inputsOfGroup] = channels;
  return (
    outputs === inputsOfGroup * groups &&
    strides.every((stride) => stride === 1) &&
    kernel.every((_, axis) => growthOf(geometry, axis) === -1)
  );
}

/** The branch's weights as a kernel of the geometry: [outputs, inputs / groups, kernel…], row-major, in float64. */
export function addKernel(total: Float64Array, branch: Branch, geometry: Geometry): void {
  const [outputs, inputsOfGroup] = geometry.channels;
  const size = sizeOf(geometry.kernel);
  if (branch.kind === 'identity') {
    const centre = positionIn(geometry.kernel, geometry.begin);
    for (let channel = 0; channel < outputs; channel++) {
      const index = (channel * inputsOfGroup + (channel % inputsOfGroup)) * size + centre;
      total[index] = (total[index] ?? 0) + (branch.scales?.[channel] ?? 1);
    }
    return;
  }
  const { kernel, begin } = branch.geometry;
  const ownSize = sizeOf(kernel);
  const places = Array.from({ length: ownSize }, (_, place) =>
    positionIn(
      geometry.kernel,
      coordinatesOf(kernel, place).map((at, axis) => at + (geometry.begin[axis] ?? 0) - (begin[axis] ?? 0)),
    ),
  );
  for (let index = 0; index < branch.weights.length; index++) {
    const target = Math.floor(index / ownSize) * size + (places[index % ownSize] ?? 0);
    total[target] = (total[target] ?? 0) + (branch.weights[index] ?? 0);
  }
}

function positionIn(shape: readonly number[], at: readonly number[]): number {
  return shape.reduce((position, length, axis) => position * length + (at[axis] ?? 0), 0);
}

function coordinatesOf(shape: readonly number[], position: number): readonly number[] {
  let rest = position;
  return shape
    .toReversed()
    .map((length) => {
      const at = rest % length;
      rest = Math.floor(rest / length);
      return at;
    })
    .toReversed();
}
