import { bytea } from '@sightline/database';
import type { KeyId, SpaceId } from '@sightline/kernel';
import type { TemplateCodec } from '@sightline/template-protection';
import { doublePrecision, integer, pgSchema, text } from 'drizzle-orm/pg-core';

export { bytea, instant } from '@sightline/database';

/** The schema that cloud-api owns; no other program reads or writes it. */
export const cloud = pgSchema('cloud');

/** A template whose bytes lie sealed: see `PersonalData` and `ProbeKeeping`. */
export const sealedTemplateColumns = () => ({
  modelSpace: text('model_space').$type<SpaceId>().notNull(),
  keyId: text('key_id').$type<KeyId>().notNull(),
  variantDigest: bytea('variant_digest').notNull(),
  codec: text('codec').$type<TemplateCodec>().notNull(),
  scale: doublePrecision('scale').notNull(),
  dimension: integer('dimension').notNull(),
  quality: doublePrecision('quality').notNull(),
  sealed: bytea('sealed').notNull(),
});
