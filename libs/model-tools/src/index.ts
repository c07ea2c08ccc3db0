export { readModel, writeModel } from './model-file.js';
export { flushNegligibleWeights } from './passes/flush-negligible-weights.js';
export { rewritePrelu } from './passes/rewrite-prelu.js';
