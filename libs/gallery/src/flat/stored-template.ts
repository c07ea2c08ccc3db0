import type { PersonId, TemplateId } from '@sightline/kernel';
import type { Template } from '@sightline/template-protection';

import type { PersonAttributes } from '../gallery.js';

/** What names a partition: one space, one key, one dimension. */
export type PartitionName = Pick<Template, 'spaceId' | 'keyId' | 'dimension'>;

/**
 * An enrolled template as it is kept: its stored form, which every score is computed from, in memory that the gallery
 * and its worker share.
 */
export interface StoredTemplate extends Pick<Template, 'codec' | 'scale'> {
  readonly templateId: TemplateId;
  readonly personId: PersonId;
  readonly attributes: PersonAttributes;
  readonly memory: SharedArrayBuffer;
  /** Of the first byte in `memory`. */
  readonly offset: number;
}

/** Bytes of one component. */
export const componentBytes = { int8: 1, float16: 2 } as const;

/** The bytes of a stored form. @param dimension of its partition */
export function bytesOf(
  { codec, memory, offset }: Pick<StoredTemplate, 'codec' | 'memory' | 'offset'>,
  dimension: number,
): Uint8Array {
  return new Uint8Array(memory, offset, componentBytes[codec] * dimension);
}

/** A partition's name as a map's key. JSON keeps the parts apart whatever they contain. */
export function partitionText({ spaceId, keyId, dimension }: PartitionName): string {
  return JSON.stringify([spaceId, keyId, dimension]);
}
