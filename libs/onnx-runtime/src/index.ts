export { Tensor } from 'onnxruntime-node';

export * from './available-providers.js';
export * from './optimised-model.js';
export * from './serve-worker.js';
export * from './session.js';
export * from './worker-pool.js';
export { transferring, type Transferring, type WorkerCalls } from './worker-protocol.js';
