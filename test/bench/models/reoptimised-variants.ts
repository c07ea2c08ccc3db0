import { pruneModel, quantiseModel, reconstructModel, type ReconstructionReport } from '@sightline/model-tools';

import { significant } from '../statistics.js';
import type { MadeVariant, VariantMaker, VariantSource } from './variants.js';

/** Of the imported bytes: 3.2 MB of the default embedder's 3.5. */
const PRUNED_TO = 0.912;

/** What is made better, or smaller and then better, without another graph: of embedders. */
export const reoptimisedVariants: readonly VariantMaker[] = [
  { key: 'int8Reconstructed', task: 'embedder', make: int8Reconstructed },
  { key: 'pruned', task: 'embedder', make: pruned },
  { key: 'prunedReconstructed', task: 'embedder', make: prunedReconstructed },
];

async function int8Reconstructed({ imported, calibration }: VariantSource): Promise<MadeVariant> {
  const quantised = await quantiseModel(imported, { inputs: calibration });
  const began = performance.now();
  const inputs = [...calibration()];
  const { bytes, report } = await reconstructModel(quantised.bytes, { teacher: quantised.floats, inputs });
  return { bytes, notes: notesOf(report, began) };
}

async function pruned(source: VariantSource): Promise<MadeVariant> {
  const began = performance.now();
  const { bytes, report } = await prune(source);
  return { bytes, notes: { seconds: secondsSince(began), spaces: report.spaces } };
}

async function prunedReconstructed(source: VariantSource): Promise<MadeVariant> {
  const { bytes: before, channels } = await prune(source);
  const began = performance.now();
  const inputs = [...source.calibration()];
  const { bytes, report } = await reconstructModel(before, { teacher: source.imported, inputs, channels });
  return { bytes, notes: notesOf(report, began) };
}

async function prune({ imported, calibration }: VariantSource) {
  return pruneModel(imported, { inputs: [...calibration()], bytes: Math.round(imported.length * PRUNED_TO) });
}

function notesOf({ learnedFrom, layers }: ReconstructionReport, began: number): object {
  return { seconds: secondsSince(began), learnedFrom, layersSolved: layers.length };
}

function secondsSince(began: number): number {
  return significant((performance.now() - began) / 1000);
}
