import { AppError } from '@sightline/kernel';

import { measureAgreement, type Agreement } from './agreement.js';
import { withAugmentations } from './augmentations.js';
import { convolutionOf, replaceWeights } from './convolution.js';
import { GraphDraft } from './graph-draft.js';
import { splitInputs, type LearningInputs } from './learning-inputs.js';
import { readModel, readPlainModel, writeModel } from './model-file.js';
import { resizeChannels } from './passes/resize-channels.js';
import { stripUnused } from './passes/strip-unused.js';
import { channelGrams } from './pruning/channel-grams.js';
import { eliminationOf } from './pruning/elimination.js';
import { planOf, type SpaceCosts } from './pruning/plan.js';
import { prunableSpaces, WeightBytes, type PrunableSpace } from './pruning/prunable-space.js';
import type { ProofInput } from './run-model.js';
import { floatTensor } from './tensor.js';

export interface PruningOptions {
  /** Real inputs with a batch of one; every fifth is held out, to measure on. At least 10. */
  readonly inputs: readonly ProofInput[];
  /** Of the file that shall result, at most. */
  readonly bytes: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** A channel space that lost channels; it is named by the first of its values. */
export interface PrunedSpace {
  readonly space: string;
  readonly before: number;
  readonly after: number;
  /** 1 − mean cosine of the model's answer in the space's trial, in which its readers make up for the loss. */
  readonly harm: number;
}

export interface PruningReport {
  readonly bytes: { readonly before: number; readonly after: number };
  readonly spaces: readonly PrunedSpace[];
  /** On the inputs that were held out, before any repair. */
  readonly agreement: Agreement;
}

export interface PrunedModel {
  readonly bytes: Uint8Array;
  /** The channels that are left of each value that lost some, by their numbers before: see `reconstructModel`. */
  readonly channels: ReadonlyMap<string, readonly number[]>;
  readonly report: PruningReport;
}

/** Part of the readers' energy: little enough for harm to grow with it, enough to be seen in the answer. */
const TRIAL_LOSS = 0.005;
/** Variants of each input that are learned from beside it. */
const COPIES = 3;

/**
 * Takes whole channels out of a model until its file is small enough. The others make up for none of it: see
 * `reconstructModel`. Channel counts stay multiples of the block of ONNX Runtime's layout.
 *
 * @throws AppError `MODEL.INVALID` when the model cannot be read or run; `MODEL.NOT_OPTIMISABLE` when it cannot be
 *   made as small, or there are too few inputs; the signal's reason once it is aborted
 */
export async function pruneModel(source: Uint8Array, options: PruningOptions): Promise<PrunedModel> {
  const { inputs, bytes, signal } = options;
  const draft = new GraphDraft(readPlainModel(source, 'pruned'));
  const split = splitInputs(inputs);
  const spaces = prunableSpaces(draft);
  const weights = new WeightBytes(draft, spaces);
  const costs = await costsOf(source, spaces, split, options);
  const all = weights.of(spaces.map(({ space }) => space.channels));
  const counts = planOf(costs, weights, all - (source.length - bytes));
  if (counts === undefined) {
    throw new AppError('MODEL.NOT_OPTIMISABLE', 'The model has too few channels that it can lose to become as small.', {
      details: { bytes: source.length, wanted: bytes },
    });
  }
  const channels = removeChannels(draft, costs, counts);
  const pruned = writeModel(stripUnused.apply(resizeChannels.apply(draft.model).model).model);
  const agreement = await measureAgreement(source, pruned, split.heldOut, signal);
  const report = {
    bytes: { before: source.length, after: pruned.length },
    spaces: prunedSpaces(costs, counts),
    agreement,
  };
  return { bytes: pruned, channels, report };
}

/** What it costs to make each space smaller. */
async function costsOf(
  source: Uint8Array,
  spaces: readonly PrunableSpace[],
  { learned: real, heldOut }: LearningInputs,
  { signal, onProgress }: PruningOptions,
): Promise<readonly SpaceCosts[]> {
  const learned = withAugmentations(real, COPIES);
  const read = new Map(
    spaces.flatMap(({ readers }) => readers.map(({ node, inputs: count }) => [node.inputs[0] ?? '', count] as const)),
  );
  const grams = await channelGrams(source, read, learned, signal);
  const costs: SpaceCosts[] = [];
  for (const space of spaces) {
    const { channels } = space.space;
    const readers = space.readers.map((convolution) => ({
      convolution,
      gram: grams.get(convolution.node.inputs[0] ?? '') ?? new Float64Array((channels + 1) ** 2),
    }));
    const elimination = eliminationOf(channels, readers, channels - (space.counts.at(-1) ?? channels), TRIAL_LOSS);
    const trial = new GraphDraft(readModel(source));
    space.readers.forEach(({ node }, index) => {
      const reader = convolutionOf(trial, trial.index.producer(node.outputs[0] ?? ''));
      const repaired = elimination.trial.readers[index];
      if (reader && repaired) replaceWeights(trial, reader, repaired.weights, repaired.bias);
    });
    const { outputs } = await measureAgreement(source, writeModel(trial.model), heldOut, signal);
    costs.push({ space, elimination, harm: 1 - Math.min(...outputs.map(({ mean }) => mean)) });
    onProgress?.(costs.length, spaces.length);
  }
  return costs;
}

/** Makes every reader blind for the channels that go; the channels that are left, by value. */
function removeChannels(
  draft: GraphDraft,
  costs: readonly SpaceCosts[],
  counts: readonly number[],
): ReadonlyMap<string, readonly number[]> {
  const left = new Map<string, readonly number[]>();
  costs.forEach(({ space, elimination }, index) => {
    const { channels } = space.space;
    const gone = new Set(elimination.order.slice(0, channels - (counts[index] ?? channels)));
    if (gone.size === 0) return;
    const kept = Array.from({ length: channels }, (_, channel) => channel).filter((channel) => !gone.has(channel));
    for (const value of space.values) left.set(value, kept);
    for (const { node } of space.readers) {
      const reader = convolutionOf(draft, draft.index.producer(node.outputs[0] ?? ''));
      if (reader === undefined) continue;
      const { weights, bias, outputs, inputs } = reader;
      const size = weights.values.length / (outputs * inputs);
      const blind = weights.values.map((weight, at) => (gone.has(Math.floor(at / size) % inputs) ? 0 : weight));
      replaceWeights(draft, reader, floatTensor(weights.dims, blind), bias);
    }
  });
  return left;
}

function prunedSpaces(costs: readonly SpaceCosts[], counts: readonly number[]): readonly PrunedSpace[] {
  return costs.flatMap(({ space, harm }, index) => {
    const before = space.space.channels;
    const after = counts[index] ?? before;
    return after === before ? [] : [{ space: space.values[0] ?? '', before, after, harm }];
  });
}
