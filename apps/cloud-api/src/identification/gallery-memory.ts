import type { Database } from '@sightline/database';
import { memoryFor } from '@sightline/gallery';
import { AppError, type Logger } from '@sightline/kernel';

import { countGallery } from './gallery-feed.js';

const megabyte = 1_000_000;

/**
 * States what a flat gallery of all that is enrolled will need, before any of it is read.
 *
 * @param ceilingBytes what it may need; undefined: whatever it does
 * @throws AppError `GALLERY.FULL` when that is less: better now, in words, than later by the machine
 */
export async function stateGalleryMemory(
  database: Database,
  { ceilingBytes, log }: { readonly ceilingBytes: number | undefined; readonly log: Logger },
): Promise<void> {
  const partitions = await countGallery(database);
  const templates = partitions.reduce((sum, partition) => sum + partition.templates, 0);
  const megabytes = Math.ceil(memoryFor(partitions) / megabyte);
  if (ceilingBytes === undefined || megabytes * megabyte <= ceilingBytes) {
    log.info({ templates, partitions: partitions.length, megabytes }, 'the gallery needs this much memory');
    return;
  }
  const ceiling = Math.floor(ceilingBytes / megabyte);
  throw new AppError(
    'GALLERY.FULL',
    `The gallery needs ${megabytes} MB for ${templates} templates and may have ${ceiling} MB ` +
      '(SIGHTLINE_GALLERY_MEMORY_MB): give it more, or let Qdrant hold it (SIGHTLINE_QDRANT_URL).',
    { details: { templates, megabytes, ceiling } },
  );
}
