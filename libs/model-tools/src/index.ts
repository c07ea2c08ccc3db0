export * from './activations.js';
export * from './half-precision.js';
export * from './import-model.js';
export * from './prove-equivalence.js';
export * from './reparameterisation.js';
export * from './rewrite-model.js';
export type { ModelOutputs, ProofInput, ProofTensor } from './run-model.js';
export * from './vet-model.js';
