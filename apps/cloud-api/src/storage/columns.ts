import type { KeyId, SpaceId } from '@sightline/kernel';
import type { TemplateCodec } from '@sightline/template-protection';
import { customType, doublePrecision, integer, pgSchema, text, timestamp } from 'drizzle-orm/pg-core';

/** The schema that cloud-api owns; no other program reads or writes it. */
export const cloud = pgSchema('cloud');

export const bytea = customType<{ data: Uint8Array; driverData: Buffer }>({
  dataType: () => 'bytea',
  toDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
  fromDriver: (value) => new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
});

export const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

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
