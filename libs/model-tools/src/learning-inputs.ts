import { AppError } from '@sightline/kernel';

import type { ProofInput } from './run-model.js';

const LEAST = 10;
const HELD_OUT = 5;

/** Inputs to learn from, and others to measure on. */
export interface LearningInputs {
  readonly learned: readonly ProofInput[];
  readonly heldOut: readonly ProofInput[];
}

/**
 * Holds every fifth input out.
 *
 * @throws AppError `MODEL.NOT_OPTIMISABLE` when there are fewer than 10
 */
export function splitInputs(inputs: readonly ProofInput[]): LearningInputs {
  if (inputs.length < LEAST) {
    throw new AppError('MODEL.NOT_OPTIMISABLE', `To learn from and to measure on, there must be ${LEAST} inputs.`);
  }
  const isHeldOut = (index: number): boolean => index % HELD_OUT === 0;
  return {
    learned: inputs.filter((_, index) => !isHeldOut(index)),
    heldOut: inputs.filter((_, index) => isHeldOut(index)),
  };
}
