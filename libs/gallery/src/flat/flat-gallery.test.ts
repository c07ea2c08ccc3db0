import { galleryConformance } from '../conformance.js';
import { openFlatGallery } from './flat-gallery.js';

galleryConformance(() => openFlatGallery());
