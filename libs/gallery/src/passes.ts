import type { GalleryFilter, PersonAttributes } from './gallery.js';

/** Whether a filter lets somebody through. */
export function passes({ sites, groups }: PersonAttributes, filter: GalleryFilter): boolean {
  const ofSite = filter.site === undefined || sites.length === 0 || sites.includes(filter.site);
  return ofSite && (filter.groups?.some((group) => groups.includes(group)) ?? true);
}
