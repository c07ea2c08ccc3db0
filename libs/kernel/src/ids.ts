import { v7 } from 'uuid';

declare const brand: unique symbol;
/** A string that only its own constructor makes, so that one id is never passed for another. */
export type Branded<Name extends string> = string & { readonly [brand]: Name };

export type TenantId = Branded<'TenantId'>;
export type SiteId = Branded<'SiteId'>;
export type DeviceId = Branded<'DeviceId'>;
export type PersonId = Branded<'PersonId'>;
export type TemplateId = Branded<'TemplateId'>;
export type SightingId = Branded<'SightingId'>;
export type StreamId = Branded<'StreamId'>;
/** Names a set of embedder variants measured to be interchangeable. */
export type SpaceId = Branded<'SpaceId'>;
/** Names one tenant's template key in one epoch. */
export type KeyId = Branded<'KeyId'>;
/** Lower-case hexadecimal SHA-256, 64 characters. */
export type Sha256 = Branded<'Sha256'>;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const slugPattern = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const sha256Pattern = /^[0-9a-f]{64}$/;

// New ids are time-ordered (UUID version 7, RFC 9562), so that fresh ones are neighbours in an index.
export const newPersonId = (): PersonId => v7() as PersonId;
export const newTemplateId = (): TemplateId => v7() as TemplateId;
export const newSightingId = (): SightingId => v7() as SightingId;
export const newStreamId = (): StreamId => v7() as StreamId;

export function isUuid(text: string): boolean {
  return uuidPattern.test(text);
}

/** Whether `text` may name a tenant, a site or a device: safe as one MQTT topic level and as one path segment. */
export function isSlug(text: string): boolean {
  return slugPattern.test(text);
}

export function isSha256(text: string): text is Sha256 {
  return sha256Pattern.test(text);
}
