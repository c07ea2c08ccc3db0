/** Where somebody is needed, and the groups they are in. */
export interface Attributes {
  /** None: everywhere. */
  readonly sites: readonly string[];
  readonly groups: readonly string[];
}

/** What a merge gives to the person who stays. */
export interface AttributeMerge {
  readonly merged: Attributes;
  readonly addedSites: readonly string[];
  readonly addedGroups: readonly string[];
  /** The sites before, where the merge had to widen them to every site. */
  readonly narrowedSites: readonly string[] | null;
}

/** Whoever stays is needed wherever either was, and is in the groups of both. */
export function mergeAttributes(into: Attributes, from: Attributes): AttributeMerge {
  const addedGroups = without(from.groups, into.groups);
  const groups = addedGroups.length === 0 ? into.groups : [...into.groups, ...addedGroups].sort();
  if (into.sites.length === 0)
    return { merged: { sites: [], groups }, addedSites: [], addedGroups, narrowedSites: null };
  if (from.sites.length === 0) {
    return { merged: { sites: [], groups }, addedSites: [], addedGroups, narrowedSites: into.sites };
  }
  const addedSites = without(from.sites, into.sites);
  const sites = addedSites.length === 0 ? into.sites : [...into.sites, ...addedSites].sort();
  return { merged: { sites, groups }, addedSites, addedGroups, narrowedSites: null };
}

/** Takes away again what a merge gave, and leaves what was changed since. */
export function unmergeAttributes(
  now: Attributes,
  { addedSites, addedGroups, narrowedSites }: Omit<AttributeMerge, 'merged'>,
): Attributes {
  const groups = without(now.groups, addedGroups);
  if (narrowedSites !== null) return { sites: now.sites.length === 0 ? narrowedSites : now.sites, groups };
  const sites = without(now.sites, addedSites);
  // No site would be every site: rather one too many than everywhere.
  return { sites: sites.length === 0 ? now.sites : sites, groups };
}

const without = (all: readonly string[], some: readonly string[]): readonly string[] =>
  all.filter((one) => !some.includes(one));
