import { hasPlainGraph, readModel, writeModel } from './model-file.js';
import { flushNegligibleWeights } from './passes/flush-negligible-weights.js';
import { gatherConstants } from './passes/gather-constants.js';
import { makeBatchSymbolic } from './passes/make-batch-symbolic.js';
import type { Pass } from './passes/pass.js';
import { raiseOpset } from './passes/raise-opset.js';
import { resizeChannels } from './passes/resize-channels.js';
import { rewritePrelu } from './passes/rewrite-prelu.js';
import { stripUnused } from './passes/strip-unused.js';

/** Grows with every change of a pass that can change the bytes that an import gives. */
export const REWRITER_VERSION = '1';

/** In the order in which each finds what it needs: constants before weights, dead channels before new nodes. */
const passes: readonly Pass[] = [
  gatherConstants,
  flushNegligibleWeights,
  resizeChannels,
  rewritePrelu,
  raiseOpset,
  makeBatchSymbolic,
  stripUnused,
];

/** What one pass did to a model. */
export interface PassReport {
  readonly pass: string;
  /** False: not tried, since the model has subgraphs, functions or other things that passes do not follow. */
  readonly applied: boolean;
  /** In the pass's own terms; all zero when there was nothing that it knew to do. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface RewrittenModel {
  readonly bytes: Uint8Array;
  readonly passes: readonly PassReport[];
}

/**
 * Rewrites an ONNX model so that it runs fast, and computes the same. The same bytes give the same bytes on
 * every machine. Nothing is proven here: see `importModel`.
 *
 * @throws AppError `MODEL.INVALID` when the bytes are no ONNX model
 */
export function rewriteModel(bytes: Uint8Array): RewrittenModel {
  let model = readModel(bytes);
  const isPlain = hasPlainGraph(model);
  const reports = passes.map((pass): PassReport => {
    if (pass.scope === 'graph' && !isPlain) return { pass: pass.name, applied: false, counts: {} };
    const result = pass.apply(model);
    model = result.model;
    return { pass: pass.name, applied: true, counts: result.counts };
  });
  return { bytes: writeModel(model), passes: reports };
}
