import { createHash, randomUUID } from 'node:crypto';

import { openFlatGallery, openQdrantGallery, type QdrantGallery } from '@sightline/gallery';
import type { Clock, Logger } from '@sightline/kernel';

import type { QdrantConfig } from './gallery-config.js';
import { LentGallery } from './lent-gallery.js';

/** What the process searches, and as whom it follows the feed. */
export type GalleryIndex =
  | { readonly kind: 'flat'; readonly id: string; readonly gallery: LentGallery }
  | { readonly kind: 'qdrant'; readonly id: string; readonly gallery: QdrantGallery };

/** The gallery that the configuration asks for; empty, or as Qdrant has it. */
export function openGalleryIndex(
  { qdrant }: { readonly qdrant?: QdrantConfig | undefined },
  { log, clock }: { readonly log: Logger; readonly clock: Clock },
): GalleryIndex {
  if (qdrant === undefined) {
    const gallery = new LentGallery({ open: () => openFlatGallery({ log }), clock });
    return { kind: 'flat', id: randomUUID(), gallery };
  }
  const { url, apiKey, prefix = 'sightline', replicas, search } = qdrant;
  const gallery = openQdrantGallery({
    ...{ url, apiKey, prefix, log, clock },
    ...(replicas !== undefined && { replicas }),
    ...(search !== undefined && { search }),
  });
  // Every process finds the same name for the same gallery, whatever key it uses.
  const address = createHash('sha256')
    .update(`${new URL(url).href} ${prefix}`)
    .digest('hex')
    .slice(0, 16);
  return { kind: 'qdrant', id: `qdrant-${address}`, gallery };
}
