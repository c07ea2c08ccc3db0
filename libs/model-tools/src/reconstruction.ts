import { AppError } from '@sightline/kernel';

import { measureAgreement, type Agreement } from './agreement.js';
import { withAugmentations } from './augmentations.js';
import { replaceWeights } from './convolution.js';
import { GraphDraft } from './graph-draft.js';
import type { OnnxModel } from './graph.js';
import { hasPlainGraph, readModel, writeModel } from './model-file.js';
import { layerSamples, type LayerSamples, type Side } from './reconstruction/layer-samples.js';
import { layerOf, type Layer } from './reconstruction/layer.js';
import { StagedRun } from './reconstruction/staged-run.js';
import type { ProofInput } from './run-model.js';
import { floatTensor } from './tensor.js';

export interface ReconstructionOptions {
  /** The model whose values the student's shall be like. */
  readonly teacher: Uint8Array;
  /** Real inputs with a batch of one; every fifth is held out, to measure on. At least 10. */
  readonly inputs: readonly ProofInput[];
  /** Teacher's channels that the student still has, by value; a value that is not named has all of them. */
  readonly channels?: ReadonlyMap<string, readonly number[]>;
  /** Variants of each input that are learned from beside it, 0 to 8. Default: 3. */
  readonly copies?: number;
  /** Bytes of values in between that may be kept, for each of the two models; less makes it slower. Default: 150 MB. */
  readonly memory?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What became of one layer: the part of the target's energy that it misses, on inputs that it was not solved from. */
export interface LayerReport {
  readonly layer: string;
  readonly before: number;
  readonly after: number;
  /** The one of several that did best; infinite: none did better than the weights as they were. */
  readonly ridge: number;
}

export interface ReconstructionReport {
  readonly learnedFrom: number;
  readonly layers: readonly LayerReport[];
  /** On the inputs that were held out. */
  readonly before: Agreement;
  readonly after: Agreement;
}

export interface ReconstructedModel {
  readonly bytes: Uint8Array;
  readonly report: ReconstructionReport;
}

const LEAST_INPUTS = 10;
const HELD_OUT = 5;
const CHECKED = 5;
const DEFAULT_COPIES = 3;
const DEFAULT_MEMORY = 150e6;
const MOST_FEATURES = 1200;
/** Of a change of weights, relative to their features' energy: what is chosen from for each layer. */
const RIDGES = [1e-4, 1e-2, 0.1, 1, 10] as const;
/** Part of the target's energy: a layer that misses less stays as it is. */
const NEGLIGIBLE = 1e-3;

/**
 * Solves the weights and biases of a model's convolutions anew, one after the other in the order of the graph, so
 * that each makes of what it is given now what the teacher's has at that place: linear least squares on real
 * inputs and mild variants of them. The graph, and the number of weights, stay as they are.
 *
 * @throws AppError `MODEL.INVALID` when one of the models cannot be read or run; `MODEL.NOT_OPTIMISABLE` when they
 *   do not fit together, or there are too few inputs; the signal's reason once it is aborted
 */
export async function reconstructModel(
  source: Uint8Array,
  options: ReconstructionOptions,
): Promise<ReconstructedModel> {
  const { teacher, inputs, channels, signal, onProgress } = options;
  const { copies = DEFAULT_COPIES, memory = DEFAULT_MEMORY } = options;
  const draft = new GraphDraft(plainModel(source));
  if (inputs.length < LEAST_INPUTS) {
    throw new AppError('MODEL.NOT_OPTIMISABLE', `A reconstruction needs ${LEAST_INPUTS} inputs at least.`);
  }
  const heldOut = inputs.filter((_, index) => index % HELD_OUT === 0);
  const real = inputs.filter((_, index) => index % HELD_OUT !== 0);
  const learned = withAugmentations(real, copies);
  // All variants of an input are on the same side.
  const isCheck = (index: number): boolean => (index % real.length) % CHECKED === 0;
  const before = await measureAgreement(teacher, source, heldOut, signal);
  const teacherSide: Side = { model: plainModel(teacher), run: new StagedRun(learned, memory) };
  const studentRun = new StagedRun(learned, memory);
  const layers = draft.nodes.flatMap((node) => layerOf(draft, node, MOST_FEATURES) ?? []);
  const reports: LayerReport[] = [];
  for (const layer of layers) {
    await teacherSide.run.advance(teacherSide.model, producerOf(teacherSide.model, layer.target), signal);
    await studentRun.advance(draft.model, layer.node, signal);
    const student = { model: draft.model, run: studentRun };
    const kept = channels?.get(layer.target);
    const samples = await layerSamples(layer, teacherSide, student, kept, isCheck, signal);
    reports.push(solveLayer(draft, layer, samples));
    onProgress?.(reports.length, layers.length);
  }
  const bytes = writeModel(draft.model);
  const after = await measureAgreement(teacher, bytes, heldOut, signal);
  return { bytes, report: { learnedFrom: learned.size, layers: reports, before, after } };
}

function plainModel(bytes: Uint8Array): OnnxModel {
  const model = readModel(bytes);
  if (hasPlainGraph(model)) return model;
  throw new AppError('MODEL.NOT_OPTIMISABLE', 'A model with graphs inside of nodes cannot be reconstructed.');
}

/** @throws AppError `MODEL.NOT_OPTIMISABLE` when the teacher has no such value */
function producerOf({ nodes }: OnnxModel, value: string): number {
  const found = nodes.findIndex(({ outputs }) => outputs.includes(value));
  if (found >= 0) return found;
  throw new AppError('MODEL.NOT_OPTIMISABLE', 'The teacher lacks a value of the model.', { details: { value } });
}

function solveLayer(draft: GraphDraft, layer: Layer, { fit, check }: LayerSamples): LayerReport {
  const { weights, bias, outputs } = layer.convolution;
  const size = weights.values.length / outputs;
  const prior = new Float64Array(outputs * (size + 1));
  for (let output = 0; output < outputs; output++) {
    prior.set(weights.values.subarray(output * size, (output + 1) * size), output * (size + 1));
    prior[output * (size + 1) + size] = bias?.values[output] ?? 0;
  }
  const before = check.error(prior);
  let best: Float64Array = prior;
  let [least, ridge] = [before, Number.POSITIVE_INFINITY];
  const energy = check.energy || 1;
  for (const candidate of before / energy < NEGLIGIBLE ? [] : RIDGES) {
    const solution = fit.solve(prior, candidate);
    const error = check.error(solution);
    if (error >= least) continue;
    best = solution;
    [least, ridge] = [error, candidate];
  }
  const solved = weights.values.map((_, index) => best[Math.floor(index / size) * (size + 1) + (index % size)] ?? 0);
  const biases = Array.from({ length: outputs }, (_, output) => best[output * (size + 1) + size] ?? 0);
  replaceWeights(draft, layer.convolution, floatTensor(weights.dims, solved), floatTensor([outputs], biases));
  return { layer: layer.target, before: before / energy, after: least / energy, ridge };
}
