export * from './catalog.js';
export * from './fetch-catalog-files.js';
