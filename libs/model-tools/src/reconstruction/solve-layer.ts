import { replaceWeights } from '../convolution.js';
import type { GraphDraft } from '../graph-draft.js';
import { int32Tensor, int8Tensor } from '../quantisation/quantised-tensors.js';
import { floatTensor } from '../tensor.js';
import type { IntegerLayer } from './integer-layer.js';
import type { LayerSamples } from './layer-samples.js';
import type { Layer } from './layer.js';
import { ErrorFeedback, type RoundWeight } from './rounding.js';
import { bestSolution, weightsOf, type LayerWeights, type Solution } from './solution.js';

/** What became of one layer: the part of the target's energy that it misses, on inputs that it was not solved from. */
export interface LayerReport {
  readonly layer: string;
  readonly before: number;
  readonly after: number;
  /** The one of several that did best; infinite: none did better than the weights as they were. */
  readonly ridge: number;
}

/** Part of the target's energy: a layer of floats that misses less stays as it is. */
const NEGLIGIBLE = 1e-3;

/** Gives a layer of floats the weights that suit the samples. */
export function solveFloats(draft: GraphDraft, layer: Layer, samples: LayerSamples): LayerReport {
  const { weights, outputs } = layer.convolution;
  const prior = weightsOf(layer.convolution);
  const isFine = samples.check.error(prior) < NEGLIGIBLE * samples.check.energy;
  const solution = isFine ? { weights: prior, ridge: Number.POSITIVE_INFINITY } : bestSolution(prior, prior, samples);
  const { kernels, biases } = apart(solution.weights, outputs);
  if (!isFine) {
    replaceWeights(draft, layer.convolution, floatTensor(weights.dims, kernels), floatTensor([outputs], biases));
  }
  return reportOf(layer, prior, solution, samples);
}

/** Gives a layer of integers those that suit the samples, at the scales that it has. */
export function solveIntegers(draft: GraphDraft, layer: IntegerLayer, samples: LayerSamples): LayerReport {
  const { weights, outputs } = layer.convolution;
  const size = weights.values.length / outputs;
  if (layer.biasAlone) return solveBias(draft, layer, samples);
  const prior = weightsOf(layer.convolution);
  const steps = (feature: number): Float32Array => (feature === size ? layer.bias.scales : layer.weights.scales);
  const { largest } = layer;
  const round: RoundWeight = (weight, output, feature) => {
    const scale = steps(feature)[output] ?? 1;
    const integer = Math.round(weight / scale);
    return scale * (feature === size ? integer : Math.max(-largest, Math.min(largest, integer)));
  };
  const feedback = new ErrorFeedback(samples.fit.gram(), size + 1);
  const solution = bestSolution(prior, weightsOf(layer.source), samples, (solved) => feedback.round(solved, round));
  const { kernels, biases } = apart(solution.weights, outputs);
  const integers = kernels.map((weight, index) => Math.round(weight / (steps(0)[Math.floor(index / size)] ?? 1)));
  const integerBiases = biases.map((bias, output) => Math.round(bias / (steps(size)[output] ?? 1)));
  draft.setConstant(layer.weights.name, int8Tensor(weights.dims, integers));
  draft.setConstant(layer.bias.name, int32Tensor([outputs], integerBiases));
  return reportOf(layer, prior, solution, samples);
}

/** What the layer gives too little on the mean is added to its bias. */
function solveBias(draft: GraphDraft, layer: IntegerLayer, samples: LayerSamples): LayerReport {
  const { bias, outputs } = layer.convolution;
  const { scales, name } = layer.bias;
  const integersOf = (change: LayerWeights): readonly number[] =>
    [...change].map((value, output) => Math.round(value / (scales[output] ?? 1)));
  const none = new Float64Array(outputs);
  const solution = bestSolution(none, none, samples, (change) =>
    Float64Array.from(integersOf(change), (integer, output) => integer * (scales[output] ?? 1)),
  );
  const before = integersOf(Float64Array.from(bias?.values ?? none));
  const integers = integersOf(solution.weights).map((integer, output) => integer + (before[output] ?? 0));
  draft.setConstant(name, int32Tensor([outputs], integers));
  return reportOf(layer, none, solution, samples);
}

function apart(rows: LayerWeights, outputs: number): { kernels: readonly number[]; biases: readonly number[] } {
  const size = rows.length / outputs;
  const kernels = [...rows].filter((_, index) => index % size !== size - 1);
  return { kernels, biases: Array.from({ length: outputs }, (_, output) => rows[(output + 1) * size - 1] ?? 0) };
}

function reportOf(
  { target }: Layer,
  prior: LayerWeights,
  { weights, ridge }: Solution,
  { check }: LayerSamples,
): LayerReport {
  const energy = check.energy || 1;
  return { layer: target, before: check.error(prior) / energy, after: check.error(weights) / energy, ridge };
}
