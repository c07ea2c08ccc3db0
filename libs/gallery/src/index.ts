export { openFlatGallery, type FlatGalleryOptions } from './flat/flat-gallery.js';
export * from './gallery.js';
