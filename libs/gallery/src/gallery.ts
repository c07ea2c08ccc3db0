import type { KeyId, PersonId, SpaceId, TemplateId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';

/** What a search can be narrowed by: of the person, carried by each of their templates. */
export interface PersonAttributes {
  /** Where the person is needed; empty: everywhere. */
  readonly sites: readonly string[];
  /** Groups and watch-lists. */
  readonly groups: readonly string[];
}

/** One enrolled template. */
export interface GalleryEntry {
  readonly templateId: TemplateId;
  readonly personId: PersonId;
  readonly template: Template;
  readonly attributes: PersonAttributes;
}

/** Whom a search may find: who passes every part that is given. */
export interface GalleryFilter {
  /** People of this site, and people without sites. */
  readonly site?: string;
  /** People in at least one of these groups; an empty list lets nobody through. */
  readonly groups?: readonly string[];
}

export interface SearchOptions {
  /** People wanted for each probe, 1 to 10,000. */
  readonly limit: number;
  readonly filter?: GalleryFilter;
  readonly signal?: AbortSignal;
}

/** The nearest template of one person. */
export interface Candidate {
  readonly personId: PersonId;
  readonly templateId: TemplateId;
  /** Cosine similarity of the stored forms, -1 to 1. */
  readonly score: number;
}

export interface PartitionSize {
  readonly spaceId: SpaceId;
  readonly keyId: KeyId;
  readonly templates: number;
}

/**
 * The enrolled templates, searchable. Partitioned by (model space, template key): a probe sees its own
 * partition alone, and a key belongs to one tenant. Not in this port: names, decisions, and the truth,
 * which is PostgreSQL's; a gallery can always be rebuilt.
 *
 * Every change is idempotent. Once a change's promise has resolved, every later search sees it.
 */
export interface Gallery {
  /**
   * Adds or replaces by template id.
   *
   * @throws AppError `TEMPLATE.INVALID` (NaN, infinite or zero vector, wrong byte length),
   *   `TEMPLATE.WRONG_DIMENSION` (other than the partition's); then nothing of the call is applied
   */
  upsert(entries: readonly GalleryEntry[]): Promise<void>;

  /** Removes templates; unknown ids are ignored. */
  remove(templateIds: readonly TemplateId[]): Promise<void>;

  /**
   * For each probe the nearest `limit` people of its partition, best first, each with its best template;
   * ties go to the smaller person id, and within a person to the smaller template id. Exact: equal to brute
   * force over the stored forms of those who pass the filter. An empty or unknown partition yields no candidates.
   *
   * @throws AppError as `upsert`, for a probe; `REQUEST.INVALID` for a limit that is not a whole number from 1 to
   *   10,000
   */
  search(probes: readonly Template[], options: SearchOptions): Promise<readonly (readonly Candidate[])[]>;

  /** Sizes of all partitions that hold something. */
  partitions(): Promise<readonly PartitionSize[]>;

  close(): Promise<void>;
}
