import { createHash } from 'node:crypto';

import { proveEquivalence, type EquivalenceProof, type ProofOptions } from './prove-equivalence.js';
import { REWRITER_VERSION, rewriteModel, type PassReport } from './rewrite-model.js';

/** What an import did, and why it may be trusted. */
export interface ImportReport {
  readonly source: { readonly sha256: string; readonly bytes: number };
  readonly imported: { readonly sha256: string; readonly bytes: number };
  readonly rewriter: string;
  readonly passes: readonly PassReport[];
  readonly proof: EquivalenceProof;
}

export interface ImportedModel {
  readonly bytes: Uint8Array;
  readonly report: ImportReport;
}

/**
 * Rewrites an ONNX model so that it runs fast, and proves on real inputs that it answers as before.
 *
 * @throws AppError `MODEL.INVALID` when the bytes are no ONNX model or do not run on the inputs,
 *   `MODEL.NOT_EQUIVALENT` when the rewritten model answers otherwise; the signal's reason once it is aborted
 */
export async function importModel(source: Uint8Array, options: ProofOptions): Promise<ImportedModel> {
  const { bytes, passes } = rewriteModel(source);
  const proof = await proveEquivalence(source, bytes, options);
  const report = { source: digestOf(source), imported: digestOf(bytes), rewriter: REWRITER_VERSION, passes, proof };
  return { bytes, report };
}

function digestOf(bytes: Uint8Array): { sha256: string; bytes: number } {
  return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
}
