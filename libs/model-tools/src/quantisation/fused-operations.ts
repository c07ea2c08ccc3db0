import { optimisedModel } from '@sightline/onnx-runtime';

import { readModel } from '../model-file.js';

/** Integer operations that ONNX Runtime makes of layers with weights. */
const layers = ['QLinearConv', 'QGemm', 'QLinearMatMul'];

export interface FusedOperations {
  /** Layers with weights that are done with integers. */
  readonly layers: number;
  /** How often ONNX Runtime does each operation, by its own name for it. */
  readonly operations: Readonly<Record<string, number>>;
}

/**
 * Counts what ONNX Runtime really does with a model: where the form does not suit it, it computes with floats
 * between conversions, and says nothing.
 *
 * @throws AppError `MODEL.INVALID` when the model cannot be loaded
 */
export async function fusedOperations(model: Uint8Array): Promise<FusedOperations> {
  const { nodes } = readModel(await optimisedModel(model));
  const counts = new Map<string, number>();
  for (const { opType } of nodes) counts.set(opType, (counts.get(opType) ?? 0) + 1);
  const sorted = [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
  return {
    layers: layers.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0),
    operations: Object.fromEntries(sorted),
  };
}
