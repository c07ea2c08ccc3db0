import type { Gallery, GalleryRebuild } from '@sightline/gallery';

/** A gallery that can be filled anew beside itself. */
export interface RebuildableGallery extends Gallery {
  /** Whether it answers searches. */
  ready(): Promise<boolean>;
  rebuild(): GalleryRebuild;
}
