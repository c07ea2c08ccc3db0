import type { Tensor } from '../tensor.js';
import type { Pass } from './pass.js';

/**
 * Weights smaller than this are nothing beside others, and denormal or about to become so when multiplied:
 * arithmetic on such numbers is up to a hundred times slower. ONNX Runtime's own `set_denormal_as_zero` heeds
 * only the first session of a process (onnxruntime #6865, #7448, #12959).
 */
const NEGLIGIBLE = 1e-15;

/** Makes negligible float weights zero. */
export const flushNegligibleWeights: Pass = {
  name: 'flush-negligible-weights',
  scope: 'constants',
  apply: (model) => {
    let flushed = 0;
    const flush = (tensor: Tensor): Tensor => {
      if (tensor.kind !== 'float32' || !tensor.values.some(isNegligible)) return tensor;
      flushed += tensor.values.filter(isNegligible).length;
      return { ...tensor, values: tensor.values.map((value) => (isNegligible(value) ? 0 : value)) };
    };
    const constants = new Map([...model.constants].map(([name, tensor]) => [name, flush(tensor)]));
    return { model: { ...model, constants }, counts: { weights: flushed } };
  },
};

function isNegligible(value: number): boolean {
  return value !== 0 && Math.abs(value) < NEGLIGIBLE;
}
