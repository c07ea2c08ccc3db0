import type { Gallery, GalleryEntry } from '@sightline/gallery';
import { isAppError, type Logger, type TemplateId } from '@sightline/kernel';

import type { GalleryChange } from './gallery-feed.js';

/** What the feed is applied to. */
export type FeedTarget = Pick<Gallery, 'upsert' | 'remove'>;

/** Of several changes of one template only the last counts; different templates don't depend on each other. */
export async function applyChanges(target: FeedTarget, changes: readonly GalleryChange[], log: Logger): Promise<void> {
  const last = new Map(changes.map((change) => [change.templateId, change]));
  const removed: TemplateId[] = [];
  const entries: GalleryEntry[] = [];
  for (const { kind, templateId, entry } of last.values()) {
    if (kind === 'remove') removed.push(templateId);
    else if (entry !== undefined) entries.push(entry);
  }
  if (removed.length > 0) await target.remove(removed);
  if (entries.length > 0) await applyEntries(target, entries, log);
}

/** A row that the gallery cannot hold must not keep all others from being found. */
export async function applyEntries(target: FeedTarget, entries: readonly GalleryEntry[], log: Logger): Promise<void> {
  try {
    await target.upsert(entries);
  } catch (error) {
    if (!isAppError(error) || error.retryable) throw error;
    if (entries.length === 1) {
      log.error({ code: error.code, templateId: entries[0]?.templateId }, 'a stored template is not searchable');
      return;
    }
    for (const entry of entries) await applyEntries(target, [entry], log);
  }
}
