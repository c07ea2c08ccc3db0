export * from './recogniser.js';
