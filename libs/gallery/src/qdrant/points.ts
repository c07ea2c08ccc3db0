import { AppError, isUuid, type PersonId, type TemplateId } from '@sightline/kernel';
import { decodeTemplate, type Template, type TemplateCodec } from '@sightline/template-protection';
import type { Schemas } from '@qdrant/js-client-rest';

import type { GalleryEntry, GalleryFilter } from '../gallery.js';

/** Stands for "every site" in a point's sites: no site is called so, and one condition serves both. */
const everySite = '*';

/** A point's stored form: what Qdrant's own vector, normalised to float32, cannot give back. */
export interface StoredForm {
  readonly templateId: TemplateId;
  readonly personId: PersonId;
  readonly codec: TemplateCodec;
  readonly scale: number;
  readonly data: Uint8Array;
}

/** The fields of a payload that {@link storedFormOf} reads. */
export const storedFields: readonly string[] = ['person', 'codec', 'scale', 'form'];

/** The point of an entry: its id is the template's. */
export function pointOf({ templateId, personId, template, attributes }: GalleryEntry): Schemas['PointStruct'] {
  return {
    id: templateId,
    // A Float32Array would become an object in JSON.
    vector: Array.from(decodeTemplate(template)),
    payload: {
      partition: template.keyId,
      person: personId,
      sites: attributes.sites.length === 0 ? [everySite] : [...attributes.sites],
      groups: [...attributes.groups],
      codec: template.codec,
      scale: template.scale,
      form: Buffer.from(template.data).toString('base64'),
    },
  };
}

/**
 * Reads a point back.
 *
 * @throws AppError `SERVICE.UNAVAILABLE` (retryable) for one that {@link pointOf} did not make: rebuild the gallery
 */
export function storedFormOf({ id, payload }: Schemas['Record'] | Schemas['ScoredPoint']): StoredForm {
  const { person, codec, scale, form }: Readonly<Record<string, unknown>> = payload ?? {};
  const sound =
    typeof id === 'string' && isUuid(id) && typeof person === 'string' && typeof scale === 'number' && isCodec(codec);
  if (!sound || typeof form !== 'string') {
    throw new AppError('SERVICE.UNAVAILABLE', 'The gallery holds a point that is not a template.', { retryable: true });
  }
  const data = new Uint8Array(Buffer.from(form, 'base64'));
  return { templateId: id as TemplateId, personId: person as PersonId, codec, scale, data };
}

/**
 * What every query of a probe filters by: its partition, and who passes.
 *
 * @param without people who are not wanted any more
 */
export function filterOf(
  { keyId }: Pick<Template, 'keyId'>,
  { site, groups }: GalleryFilter = {},
  without: readonly PersonId[] = [],
): Schemas['Filter'] {
  return {
    must: [
      { key: 'partition', match: { value: keyId } },
      ...(site === undefined ? [] : [{ key: 'sites', match: { any: [site, everySite] } }]),
      ...(groups === undefined ? [] : [{ key: 'groups', match: { any: [...new Set(groups)] } }]),
    ],
    ...(without.length > 0 && { must_not: [{ key: 'person', match: { any: [...without] } }] }),
  };
}

function isCodec(value: unknown): value is TemplateCodec {
  return value === 'int8' || value === 'float16';
}
