export * from './app-error.js';
export * from './backoff.js';
export * from './clock.js';
export * from './exclusive-runner.js';
export * from './ids.js';
export * from './lifecycle.js';
export * from './logger.js';
export * from './web-assembly.js';
