export * from './catalog.js';
export { fetchCatalogFiles } from './fetch-catalog-files.js';
export { importCatalogModels } from './import-catalog-models.js';
export type { StoredFile } from './package-files.js';
export { fetchProofPhotos, type ProofFace } from './proof-photos.js';
