export * from './configuration.js';
export * from './create-once.js';
export * from './durable-file.js';
export * from './lock-file.js';
export { findProcess } from './process-table.js';
