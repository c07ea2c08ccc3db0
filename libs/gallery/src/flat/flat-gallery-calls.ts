import type { TemplateId } from '@sightline/kernel';

import type { Candidate, GalleryFilter } from '../gallery.js';
import type { PartitionName, StoredTemplate } from './stored-template.js';

/** Templates to be added or replaced in one partition. */
export interface PartitionUpsert {
  readonly partition: PartitionName;
  readonly templates: readonly StoredTemplate[];
}

/** Removals first, so that a template may move between partitions. */
export interface GalleryChange {
  readonly removals: readonly TemplateId[];
  readonly upserts: readonly PartitionUpsert[];
}

export interface PartitionProbe {
  readonly partition: PartitionName;
  readonly vector: Float32Array;
  readonly limit: number;
  readonly filter?: GalleryFilter | undefined;
}

/** What the flat gallery's worker does. */
export interface FlatGalleryCalls {
  apply(change: GalleryChange): void;
  /** For each probe the nearest people, best first. */
  search(probes: readonly PartitionProbe[]): Promise<readonly (readonly Candidate[])[]>;
}
