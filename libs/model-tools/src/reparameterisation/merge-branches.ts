import { integerAttributes, withoutAttributes } from '../attributes.js';
import type { Geometry } from '../convolution-geometry.js';
import type { GraphNode } from '../graph.js';
import { GraphDraft } from '../graph-draft.js';
import type { Pass } from '../passes/pass.js';
import { floatTensor, sizeOf } from '../tensor.js';
import { addKernel, branchOf, commonGeometry, isConvolution, type Branch } from './branch.js';

/**
 * Makes one convolution of several that read the same value and whose results are added, with the value itself
 * or its BatchNormalization among the terms: what a block of RepVGG (Ding et al. 2021) and its successors
 * trains as branches. Smaller kernels are set into the largest one.
 */
export const mergeBranches: Pass = {
  name: 'merge-branches',
  scope: 'graph',
  apply: (model) => {
    const draft = new GraphDraft(model);
    const counts = { blocks: 0, branches: 0 };
    for (const node of model.nodes) {
      if (!isSum(node) || isTermOfSum(draft, node)) continue;
      const merged = mergeTerms(draft, node);
      counts.blocks += merged.blocks;
      counts.branches += merged.branches;
    }
    return { model: draft.model, counts };
  },
};

interface Term {
  readonly value: string;
  readonly branch: Branch;
}

function isSum({ opType, domain, inputs }: GraphNode): boolean {
  return domain === '' && (opType === 'Add' || opType === 'Sum') && inputs.length > 1;
}

function isTermOfSum(draft: GraphDraft, { outputs }: GraphNode): boolean {
  const [output = ''] = outputs;
  const readers = draft.index.consumers(output);
  return !draft.index.isOutput(output) && readers.length === 1 && readers.every(isSum);
}

function mergeTerms(draft: GraphDraft, sum: GraphNode): { blocks: number; branches: number } {
  const left: string[] = [];
  const merged: GraphNode[] = [];
  let branches = 0;
  for (const terms of bySource(termsOf(draft, sum))) {
    const group = terms.map(({ branch }) => branch);
    const geometry = group.length > 1 ? commonGeometry(group) : undefined;
    if (geometry === undefined) {
      left.push(...terms.map(({ value }) => value));
      continue;
    }
    const output = draft.freshName(sum.outputs[0] ?? '', `merged${merged.length}`);
    merged.push(mergedConvolution(draft, sum, group, geometry, output));
    left.push(output);
    branches += group.length;
  }
  const [only] = merged;
  if (only !== undefined && left.length === 1) draft.replace(sum, { ...only, outputs: sum.outputs });
  else if (only !== undefined) draft.replace(sum, ...merged, ...additions(draft, sum, left));
  return { blocks: merged.length, branches };
}

function bySource(terms: readonly Term[]): readonly (readonly Term[])[] {
  const groups = new Map<string, Term[]>();
  for (const term of terms) groups.set(term.branch.source, [...(groups.get(term.branch.source) ?? []), term]);
  return [...groups.values()];
}

/** What a sum adds, the terms of sums inside of it with its own. */
function termsOf(draft: GraphDraft, sum: GraphNode): readonly Term[] {
  return sum.inputs.flatMap((value): readonly Term[] => {
    const producer = draft.index.producer(value);
    const isInner = producer !== undefined && isSum(producer) && draft.isReadOnlyBy(value, sum);
    return isInner ? termsOf(draft, producer) : [{ value, branch: branchOf(draft, value, sum) }];
  });
}

function mergedConvolution(
  draft: GraphDraft,
  sum: GraphNode,
  branches: readonly Branch[],
  geometry: Geometry,
  result: string,
): GraphNode {
  const [outputs, inputsOfGroup] = geometry.channels;
  const weights = new Float64Array(outputs * inputsOfGroup * sizeOf(geometry.kernel));
  for (const branch of branches) addKernel(weights, branch, geometry);
  const bias = Array.from({ length: outputs }, (_, channel) =>
    branches.reduce((total, branch) => {
      const own = branch.kind === 'convolution' ? branch.bias[channel] : branch.shifts?.[channel];
      return total + (own ?? 0);
    }, 0),
  );
  const [output = ''] = sum.outputs;
  const [first] = branches.filter(isConvolution).map(({ node }) => node);
  const shape = [outputs, inputsOfGroup, ...geometry.kernel];
  const names = [
    draft.addConstant(output, 'merged', floatTensor(shape, Float32Array.from(weights))),
    draft.addConstant(output, 'merged', floatTensor([outputs], bias)),
  ];
  const attributes = integerAttributes({
    kernel_shape: geometry.kernel,
    pads: [...geometry.begin, ...geometry.end],
    strides: geometry.strides,
    group: geometry.groups,
  });
  return {
    opType: 'Conv',
    domain: '',
    name: sum.name,
    inputs: [branches[0]?.source ?? '', ...names],
    outputs: [result],
    attributes: new Map([...(first ? withoutAttributes(first, 'auto_pad', 'dilations') : []), ...attributes]),
  };
}

/** Adds the values, two or more, under the sum's name. */
function additions(draft: GraphDraft, sum: GraphNode, values: readonly string[]): readonly GraphNode[] {
  const [output = ''] = sum.outputs;
  const [first = '', ...others] = values;
  let total = first;
  return others.map((value, index) => {
    const isLast = index === others.length - 1;
    const name = isLast ? output : draft.freshName(output, `sum${index}`);
    const node = { ...sum, opType: 'Add', inputs: [total, value], outputs: [name] };
    total = name;
    return node;
  });
}
