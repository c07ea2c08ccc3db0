import { ValueClasses } from '../channel-spaces.js';
import { convolutionOf, scaleInputs, scaleOutputs, type Convolution } from '../convolution.js';
import type { GraphNode, OnnxModel } from '../graph.js';
import { GraphDraft } from '../graph-draft.js';
import type { ChannelStatistics } from './channel-statistics.js';

/** Operations that give s·y for s·x, in each channel alone, for any positive s. */
const homogeneous = new Set([
  'Relu',
  'PRelu',
  'LeakyRelu',
  'Identity',
  'MaxPool',
  'AveragePool',
  'GlobalAveragePool',
  'GlobalMaxPool',
  'Add',
]);

/** Values whose channels can be multiplied together, between the convolutions that write and those that read them. */
interface ScaledValues {
  readonly writers: Set<string>;
  readonly readers: Set<string>;
  readonly values: Set<string>;
}

/** No channel is multiplied by more, or divided: what is hardly ever seen must not grow into noise. */
const LARGEST_FACTOR = 1024;
/** How far factors follow values rather than weights, where the two pull apart. From .3 to .7 made no difference. */
const VALUES_SHARE = 0.5;

/**
 * Cross-layer equalisation (Nagel et al. 2019, "Data-free quantization through weight equalization and bias
 * correction"): channels that are small beside others of their value are multiplied, where they are written, and
 * divided where they are read, so that the steps of one code suit all of them. Weights have a scale for each output,
 * so that only a convolution that mixes channels when it reads them sets a limit: then the factor is a compromise
 * between values and weights, as in SmoothQuant (Xiao et al. 2023).
 *
 * @param statistics of the values that will be coded
 * @returns the model, which computes the same but for rounding, and the factors of each value's channels
 */
export function equaliseChannels(
  model: OnnxModel,
  statistics: ReadonlyMap<string, ChannelStatistics>,
): { readonly model: OnnxModel; readonly factors: ReadonlyMap<string, readonly number[]> } {
  const draft = new GraphDraft(model);
  const all = new Map<string, readonly number[]>();
  for (const { writers, readers, values } of scaledValues(draft)) {
    const nodes = (names: ReadonlySet<string>): Convolution[] =>
      [...names].flatMap((name) => convolutionOf(draft, draft.index.producer(name)) ?? []);
    const channels = nodes(writers)[0]?.outputs ?? 0;
    const known = [...values].flatMap((value) => statistics.get(value) ?? []);
    if (known.length === 0 || known.some(({ amplitudes }) => amplitudes.length !== channels)) continue;
    const factors = factorsOf(known, nodes(readers), channels);
    for (const convolution of nodes(writers)) scaleOutputs(draft, convolution, factors);
    const inverse = factors.map((factor) => 1 / factor);
    for (const convolution of nodes(readers)) scaleInputs(draft, convolution, inverse);
    for (const value of values) all.set(value, factors);
  }
  return { model: draft.model, factors: all };
}

/** Convolutions are named by the values that they compute. */
function scaledValues(draft: GraphDraft): readonly ScaledValues[] {
  const { model, nodes } = draft;
  const classes = new ValueClasses();
  for (const node of nodes) {
    if (convolutionOf(draft, node) !== undefined) continue;
    const inputs = node.inputs.filter((name) => name !== '' && !model.constants.has(name));
    if (isHomogeneous(node, inputs)) {
      for (const input of inputs) classes.unite(input, node.outputs[0] ?? '');
    } else for (const value of [...inputs, ...node.outputs]) classes.fix(value);
  }
  for (const { name } of [...model.inputs, ...model.outputs]) classes.fix(name);
  const found = new Map<string, ScaledValues>();
  const classOf = (value: string): ScaledValues => {
    const root = classes.rootOf(value);
    const known = found.get(root) ?? { writers: new Set(), readers: new Set(), values: new Set() };
    found.set(root, known);
    known.values.add(value);
    return known;
  };
  for (const node of nodes) {
    const [output = ''] = node.outputs;
    if (convolutionOf(draft, node) !== undefined) {
      classOf(node.inputs[0] ?? '').readers.add(output);
      classOf(output).writers.add(output);
    } else for (const value of node.outputs) classOf(value);
  }
  return [...found]
    .filter(([root, { writers, readers }]) => !classes.isFixed(root) && writers.size > 0 && readers.size > 0)
    .filter(([, { writers, readers }]) => hasEqualChannels(draft, writers, readers))
    .map(([, values]) => values);
}

function isHomogeneous(node: GraphNode, inputs: readonly string[]): boolean {
  if (node.domain !== '' || !homogeneous.has(node.opType) || node.outputs.length !== 1) return false;
  return node.opType !== 'Add' || inputs.length === node.inputs.length;
}

/** Addition may broadcast one channel to many: then there is nothing to multiply together. */
function hasEqualChannels(draft: GraphDraft, writers: ReadonlySet<string>, readers: ReadonlySet<string>): boolean {
  const written = [...writers].map((name) => convolutionOf(draft, draft.index.producer(name))?.outputs);
  const read = [...readers].map((name) => convolutionOf(draft, draft.index.producer(name))?.inputs);
  return new Set([...written, ...read]).size === 1;
}

function factorsOf(
  statistics: readonly ChannelStatistics[],
  readers: readonly Convolution[],
  channels: number,
): readonly number[] {
  const amplitudes = peaks(
    statistics.map((one) => one.amplitudes),
    channels,
  );
  const mixing = readers.filter(({ kind }) => kind !== 'depthwise');
  const weights = peaks(mixing.map(inputPeaks), channels);
  const share = mixing.length === 0 ? 1 : VALUES_SHARE;
  const largest = Math.max(...amplitudes);
  const raw = Array.from({ length: channels }, (_, channel) => {
    const amplitude = Math.max(amplitudes[channel] ?? 0, largest / LARGEST_FACTOR);
    const weight = mixing.length === 0 ? 1 : Math.max(weights[channel] ?? 0, 1 / LARGEST_FACTOR);
    return weight ** (1 - share) / amplitude ** share;
  });
  const middle = Math.exp(raw.reduce((sum, factor) => sum + Math.log(factor), 0) / channels);
  return raw.map((factor) => factor / middle);
}

/** The largest of several lists in each place, each list first brought to a root mean square of one. */
function peaks(lists: readonly ArrayLike<number>[], length: number): Float64Array {
  const result = new Float64Array(length);
  for (const list of lists) {
    const values = Array.from(list);
    const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / length) || 1;
    values.forEach((value, index) => {
      result[index] = Math.max(result[index] ?? 0, value / norm);
    });
  }
  return result;
}

/** For each input channel, the largest weight that reads it, relative to the largest of that weight's output. */
function inputPeaks({ weights, outputs, inputs }: Convolution): Float64Array {
  const size = weights.values.length / outputs;
  const inputsOfGroup = weights.dims[1] ?? 1;
  const kernel = size / inputsOfGroup;
  const outputsOfGroup = outputs / (inputs / inputsOfGroup);
  const result = new Float64Array(inputs);
  for (let output = 0; output < outputs; output++) {
    const own = weights.values.subarray(output * size, (output + 1) * size);
    const largest = own.reduce((peak, weight) => Math.max(peak, Math.abs(weight)), 0) || 1;
    const first = Math.floor(output / outputsOfGroup) * inputsOfGroup;
    own.forEach((weight, index) => {
      const channel = first + Math.floor(index / kernel);
      result[channel] = Math.max(result[channel] ?? 0, Math.abs(weight) / largest);
    });
  }
  return result;
}
