import { AppError } from '@sightline/kernel';

import { measureAgreement, type Agreement } from './agreement.js';
import { withAugmentations } from './augmentations.js';
import { GraphDraft } from './graph-draft.js';
import type { OnnxModel } from './graph.js';
import { splitInputs } from './learning-inputs.js';
import { readPlainModel, writeModel } from './model-file.js';
import { integerLayerOf } from './reconstruction/integer-layer.js';
import { layerSamples, type LayerSamples, type Side } from './reconstruction/layer-samples.js';
import { layerOf, type Layer } from './reconstruction/layer.js';
import { solveFloats, solveIntegers, type LayerReport } from './reconstruction/solve-layer.js';
import { StagedRun } from './reconstruction/staged-run.js';
import type { ProofInput } from './run-model.js';

export interface ReconstructionOptions {
  /** The model whose values the student's shall be like; of a quantised model, `QuantisedModel.floats`. */
  readonly teacher: Uint8Array;
  /** Real inputs with a batch of one; every fifth is held out, to measure on. At least 10. */
  readonly inputs: readonly ProofInput[];
  /** Teacher's channels that the student still has, by value; a value that is not named has all of them. */
  readonly channels?: ReadonlyMap<string, readonly number[]>;
  /** Variants of each input that are learned from beside it, 0 to 8. Default: 1. */
  readonly copies?: number;
  /** Bytes of values in between that may be kept, for each of the two models; less makes it slower. Default: 150 MB. */
  readonly memory?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
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

const CHECKED = 5;
const DEFAULT_COPIES = 1;
const DEFAULT_MEMORY = 150e6;
const MOST_FEATURES = 1200;

/**
 * Solves the weights and biases of a model's convolutions anew, one after the other in the order of the graph, so
 * that each makes of what it is given now what the teacher's has at that place: linear least squares on real
 * inputs and mild variants of them. Integers of a quantised model are solved for as floats, and rounded so that the
 * rounding of one makes up for that of others, at the scales that they have. The graph, and the number of weights,
 * stay as they are.
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
  const draft = new GraphDraft(readPlainModel(source, 'reconstructed'));
  const { learned: real, heldOut } = splitInputs(inputs);
  const learned = withAugmentations(real, copies);
  // All variants of an input are on the same side.
  const isCheck = (index: number): boolean => (index % real.length) % CHECKED === 0;
  const before = await measureAgreement(teacher, source, heldOut, signal);
  const teacherSide: Side = { model: readPlainModel(teacher, 'a teacher'), run: new StagedRun(learned, memory) };
  const studentRun = new StagedRun(learned, memory);
  const layers = layersOf(draft, new GraphDraft(teacherSide.model));
  const reports: LayerReport[] = [];
  for (const { layer, solve } of layers) {
    await teacherSide.run.advance(teacherSide.model, producerOf(teacherSide.model, layer.target), signal);
    await studentRun.advance(draft.model, layer.node, signal);
    const student = { model: draft.model, run: studentRun };
    const kept = channels?.get(layer.target);
    const samples = await layerSamples(layer, teacherSide, student, kept, isCheck, signal);
    reports.push(solve(samples));
    onProgress?.(reports.length, layers.length);
  }
  const bytes = writeModel(draft.model);
  const after = await measureAgreement(teacher, bytes, heldOut, signal);
  return { bytes, report: { learnedFrom: learned.size, layers: reports, before, after } };
}

interface SolvableLayer {
  readonly layer: Layer;
  readonly solve: (samples: LayerSamples) => LayerReport;
}

function layersOf(draft: GraphDraft, teacher: GraphDraft): readonly SolvableLayer[] {
  return draft.nodes.flatMap((node): readonly SolvableLayer[] => {
    const floats = layerOf(draft, node, MOST_FEATURES);
    if (floats) return [{ layer: floats, solve: (samples) => solveFloats(draft, floats, samples) }];
    const integers = integerLayerOf(draft, teacher, node, MOST_FEATURES);
    return integers ? [{ layer: integers, solve: (samples) => solveIntegers(draft, integers, samples) }] : [];
  });
}

/** @throws AppError `MODEL.NOT_OPTIMISABLE` when the teacher has no such value */
function producerOf({ nodes }: OnnxModel, value: string): number {
  const found = nodes.findIndex(({ outputs }) => outputs.includes(value));
  if (found >= 0) return found;
  throw new AppError('MODEL.NOT_OPTIMISABLE', 'The teacher lacks a value of the model.', { details: { value } });
}
