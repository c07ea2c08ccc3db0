import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import type { KeyId, PersonId, Sha256, SightingId, SpaceId, TemplateId, TenantId } from '@sightline/kernel';
import type { TemplateCodec } from '@sightline/template-protection';
import { sql, type SQL } from 'drizzle-orm';

import type { SealedProbe } from '../identification/probe-keeping.js';

/** Kept probes that a search is about. */
export interface ProbeFilter {
  readonly tenantId: TenantId;
  readonly now: Date;
  readonly fields: Pick<rest.SearchFields, 'from' | 'to' | 'siteId' | 'deviceId' | 'cameraId'>;
  /** A sighting does not find itself. */
  readonly except: SightingId | undefined;
  readonly spaceId: SpaceId;
  readonly keyIds: readonly KeyId[];
}

export interface SearchableProbe {
  readonly sightingId: SightingId;
  readonly probe: Omit<SealedProbe, 'keptForMs'>;
}

type Reason = rest.SearchFacts['notSearched'][number]['reason'];

const SHOWS_UNWILLING = sql`EXISTS (
  SELECT FROM cloud.person
  WHERE person.tenant_id = kept.tenant_id AND person.id IN (kept.person_id, kept.second_person_id)
    AND NOT 'photo-search' = ANY (person.purposes))`;

/** How many probes may be compared, and how many may not, by reason. */
export async function countProbes(
  { db }: Database,
  filter: ProbeFilter,
): Promise<ReadonlyMap<Reason | 'searchable', number>> {
  const { rows } = await db.execute<{ readonly reason: Reason | 'searchable'; readonly probes: number }>(sql`
    SELECT ${reasonOf(filter)} AS reason, count(*)::int AS probes FROM ${probes(filter)} GROUP BY 1`);
  return new Map(rows.map(({ reason, probes: count }) => [reason, count]));
}

/** Whether all whom a kept probe shows, or may show, permit a search. */
export async function isSearchPermitted(
  { db }: Database,
  { tenantId, sightingId }: { readonly tenantId: TenantId; readonly sightingId: SightingId },
): Promise<boolean> {
  const { rows } = await db.execute(sql`
    SELECT FROM cloud.kept_probe kept
    WHERE kept.tenant_id = ${tenantId} AND kept.sighting_id = ${sightingId} AND ${SHOWS_UNWILLING}`);
  return rows.length === 0;
}

/** Probes that may be compared, newest sightings first (their ids are of UUID version 7), behind one of them. */
export async function readProbes(
  { db }: Database,
  filter: ProbeFilter,
  { before, limit }: { readonly before: SightingId | undefined; readonly limit: number },
): Promise<readonly SearchableProbe[]> {
  const { rows } = await db.execute<ProbeRow>(sql`
    SELECT kept.sighting_id AS "sightingId", kept.template_id AS "templateId", kept.person_id AS "personId",
      kept.model_space AS "spaceId", kept.key_id AS "keyId", encode(kept.variant_digest, 'hex') AS "variantDigest",
      kept.codec, kept.scale, kept.dimension, kept.quality, kept.sealed
    FROM ${probes(filter)} AND kept.model_space = ${filter.spaceId} AND kept.key_id IN (${keysOf(filter)})
      AND NOT ${SHOWS_UNWILLING}
      ${before === undefined ? sql`` : sql`AND kept.sighting_id < ${before}::uuid`}
    ORDER BY kept.sighting_id DESC LIMIT ${limit}`);
  return rows.map(({ sightingId, templateId, personId, sealed, ...template }) => ({
    sightingId,
    probe: { templateId, personIds: personId === null ? [] : [personId], template, sealed },
  }));
}

interface ProbeRow extends Record<string, unknown> {
  readonly sightingId: SightingId;
  readonly templateId: TemplateId;
  readonly personId: PersonId | null;
  readonly spaceId: SpaceId;
  readonly keyId: KeyId;
  readonly variantDigest: Sha256;
  readonly codec: TemplateCodec;
  readonly scale: number;
  readonly dimension: number;
  readonly quality: number;
  readonly sealed: Uint8Array;
}

function probes({ tenantId, now, fields, except }: ProbeFilter): SQL {
  const { from, to, siteId, deviceId, cameraId } = fields;
  const parts = [
    sql`kept.tenant_id = ${tenantId}`,
    sql`kept.expires_at > ${now.toISOString()}::timestamptz`,
    ...(except === undefined ? [] : [sql`kept.sighting_id <> ${except}::uuid`]),
    ...(from === undefined ? [] : [sql`sighting.first_seen_at >= ${from}::timestamptz`]),
    ...(to === undefined ? [] : [sql`sighting.first_seen_at < ${to}::timestamptz`]),
    ...(siteId === undefined ? [] : [sql`sighting.site_id = ${siteId}`]),
    ...(deviceId === undefined ? [] : [sql`sighting.device_id = ${deviceId}`]),
    ...(cameraId === undefined ? [] : [sql`sighting.camera_id = ${cameraId}`]),
  ];
  return sql`cloud.kept_probe kept
    JOIN cloud.sighting ON sighting.tenant_id = kept.tenant_id AND sighting.id = kept.sighting_id
    WHERE ${sql.join(parts, sql` AND `)}`;
}

/** A probe that shows, or may show, somebody who does not permit it is not looked at. */
function reasonOf(filter: ProbeFilter): SQL {
  return sql`CASE
    WHEN kept.model_space <> ${filter.spaceId} THEN 'model-space'
    WHEN kept.key_id NOT IN (${keysOf(filter)}) THEN 'template-key'
    WHEN ${SHOWS_UNWILLING} THEN 'purpose'
    ELSE 'searchable' END`;
}

const keysOf = ({ keyIds }: ProbeFilter): SQL =>
  sql.join(
    keyIds.map((keyId) => sql`${keyId}`),
    sql`, `,
  );
