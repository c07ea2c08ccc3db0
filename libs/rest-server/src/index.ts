export * from './access/index.js';
export * from './audit/index.js';
export * from './health.js';
export { problemOf, sendProblem } from './problem.js';
export * from './public-route.js';
export { createRestApp, type RestAppOptions } from './rest-app.js';
export { parsePart } from './validation.js';
