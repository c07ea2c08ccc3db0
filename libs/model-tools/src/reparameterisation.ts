import { AppError } from '@sightline/kernel';

import { hasPlainGraph, readModel, writeModel } from './model-file.js';
import { gatherConstants } from './passes/gather-constants.js';
import type { Pass } from './passes/pass.js';
import { stripUnused } from './passes/strip-unused.js';
import { proveEquivalence, type EquivalenceProof, type ProofOptions } from './prove-equivalence.js';
import { foldBatchNormalisation } from './reparameterisation/fold-batch-normalisation.js';
import { mergeBranches } from './reparameterisation/merge-branches.js';
import type { PassReport } from './rewrite-model.js';

export interface ReparameterisationReport {
  readonly passes: readonly PassReport[];
  /** Undefined: nothing was there to be done, and the bytes are those that were given. */
  readonly proof: EquivalenceProof | undefined;
}

export interface ReparameterisedModel {
  readonly bytes: Uint8Array;
  readonly report: ReparameterisationReport;
}

/** A normalisation behind a merged sum is folded once the sum is a convolution. */
const passes: readonly Pass[] = [
  gatherConstants,
  foldBatchNormalisation,
  mergeBranches,
  foldBatchNormalisation,
  stripUnused,
];

/**
 * Gives a model the form in which it is served: BatchNormalization goes into the convolution before it, and
 * branches that were trained side by side (RepVGG's 3 × 3, 1 × 1 and identity) become one convolution. It
 * computes the same, which is proven on real inputs; a model without any of them is returned as it is.
 *
 * @throws AppError `MODEL.INVALID` when the bytes are no ONNX model, hold graphs inside of nodes, or do not run
 *   on the inputs; `MODEL.NOT_EQUIVALENT` when the result answers otherwise; the signal's reason once aborted
 */
export async function reparameteriseModel(source: Uint8Array, options: ProofOptions): Promise<ReparameterisedModel> {
  let model = readModel(source);
  if (!hasPlainGraph(model)) {
    throw new AppError('MODEL.INVALID', 'A model with graphs inside of nodes cannot be re-parameterised.');
  }
  const reports = passes.map((pass): PassReport => {
    const result = pass.apply(model);
    model = result.model;
    return { pass: pass.name, applied: true, counts: result.counts };
  });
  const isChanged = reports.some(({ counts }) => (counts.folded ?? 0) + (counts.blocks ?? 0) > 0);
  if (!isChanged) return { bytes: source, report: { passes: reports, proof: undefined } };
  const bytes = writeModel(model);
  return { bytes, report: { passes: reports, proof: await proveEquivalence(source, bytes, options) } };
}
