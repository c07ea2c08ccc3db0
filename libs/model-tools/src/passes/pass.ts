import type { OnnxModel } from '../graph.js';

/** What a pass did. `counts` says how often, in the pass's own terms; all zero when it found nothing to do. */
export interface PassResult {
  readonly model: OnnxModel;
  readonly counts: Readonly<Record<string, number>>;
}

/**
 * One rewriting of a model that leaves what it computes the same. It does what it knows to be right, and
 * leaves everything else as it is.
 */
export interface Pass {
  readonly name: string;
  /**
   * 'constants': changes constants alone, and suits any model. 'graph': follows values from node to node,
   * which needs a plain graph.
   */
  readonly scope: 'constants' | 'graph';
  apply(model: OnnxModel): PassResult;
}
