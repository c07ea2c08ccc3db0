export * from './import-model.js';
export * from './prove-equivalence.js';
export * from './rewrite-model.js';
