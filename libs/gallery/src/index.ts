export { openFlatGallery, type FlatGalleryOptions } from './flat/flat-gallery.js';
export { memoryFor } from './flat/memory.js';
export * from './gallery.js';
export {
  openQdrantGallery,
  type GalleryRebuild,
  type QdrantGallery,
  type QdrantGalleryOptions,
} from './qdrant/qdrant-gallery.js';
