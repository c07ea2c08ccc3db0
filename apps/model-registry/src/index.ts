export type { ModelRegistryConfig } from './config.js';
export { startModelRegistry, type ModelRegistry } from './start-model-registry.js';
