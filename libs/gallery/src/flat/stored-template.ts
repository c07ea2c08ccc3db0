import type { PersonId, TemplateId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';

import type { PersonAttributes } from '../gallery.js';

/** What names a partition: one space, one key, one dimension. */
export type PartitionName = Pick<Template, 'spaceId' | 'keyId' | 'dimension'>;

/** An enrolled template as the flat gallery keeps it: its stored form, which every score is computed from. */
export interface StoredTemplate extends Pick<Template, 'codec' | 'scale' | 'data'> {
  readonly templateId: TemplateId;
  readonly personId: PersonId;
  readonly attributes: PersonAttributes;
}

/** A partition's name as a map's key. JSON keeps the parts apart whatever they contain. */
export function partitionText({ spaceId, keyId, dimension }: PartitionName): string {
  return JSON.stringify([spaceId, keyId, dimension]);
}
