import type { DeviceAddress, rest } from '@sightline/contracts';
import type { Transaction } from '@sightline/database';
import type { PersonId, SightingId, TenantId } from '@sightline/kernel';
import type { OpenSetDecision } from '@sightline/matching';
import { and, eq, inArray, sql } from 'drizzle-orm';

import { namedBy } from '../identification/probe-keeping.js';
import { imageSite } from '../storage/image-schema.js';
import { unnest } from '../storage/unnest.js';

/** A sighting that refers to an image, with the decision about it. */
export interface ImagedSighting {
  readonly address: DeviceAddress;
  readonly siteId: string;
  readonly sightingId: SightingId;
  /** SHA-256 of the sealed image, 64 hexadecimal digits. */
  readonly digest: string;
  readonly seenAt: Date;
  readonly decision: OpenSetDecision;
}

interface Noting {
  /** What a person may be matched for. */
  readonly permitted: (tenantId: TenantId, personId: PersonId) => readonly rest.Purpose[];
  readonly now: Date;
}

/**
 * Notes which images are expected, in the transaction that stores the decisions and holds the people's rows. What the
 * site's settings do not keep is not noted: its upload is refused, and the box deletes it. An image of a sighting that
 * is now decided otherwise goes: it was sealed for somebody else.
 */
export async function noteImages(
  tx: Transaction,
  sightings: readonly ImagedSighting[],
  { permitted, now }: Noting,
): Promise<void> {
  if (sightings.length === 0) return;
  const sites = await readSites(tx, sightings);
  const rows = sightings.map((one) => {
    const { tenantId } = one.address;
    const site = sites.get(`${tenantId}/${one.siteId}`);
    const persons = namedBy(one.decision);
    const { purpose } = site ?? { purpose: null };
    const mayKeep = purpose === null || persons.every((id) => permitted(tenantId, id).includes(purpose));
    const kept = mayKeep && (site?.outcomes ?? []).some((outcome) => outcome === one.decision.outcome);
    return { ...one, persons, kept };
  });
  const noted = unnest([
    ['text', rows.map(({ address }) => address.tenantId)],
    ['text', rows.map(({ digest }) => digest)],
    ['text', rows.map(({ address }) => address.deviceId)],
    ['text', rows.map(({ siteId }) => siteId)],
    ['uuid', rows.map(({ sightingId }) => sightingId)],
    ['text', rows.map(({ decision }) => decision.outcome)],
    ['uuid', rows.map(({ persons }) => persons[0] ?? null)],
    ['uuid', rows.map(({ persons }) => persons[1] ?? null)],
    ['timestamptz', rows.map(({ seenAt }) => seenAt.toISOString())],
    ['integer', rows.map(({ kept }) => Number(kept))],
  ]);
  const columns = sql`noted (tenant_id, digest, device_id, site_id, sighting_id, outcome, person_id, second_person_id,
    seen_at, kept)`;
  await tx.execute(sql`
    DELETE FROM cloud.sealed_image own USING ${noted} AS ${columns}
    WHERE own.tenant_id = noted.tenant_id AND own.sighting_id = noted.sighting_id AND own.device_id = noted.device_id
      AND (noted.kept = 0
        OR (own.person_id, own.second_person_id) IS DISTINCT FROM (noted.person_id, noted.second_person_id))`);
  await tx.execute(sql`
    INSERT INTO cloud.sealed_image (tenant_id, digest, device_id, site_id, sighting_id, outcome, person_id,
      second_person_id, seen_at, noted_at)
    SELECT tenant_id, decode(digest, 'hex'), device_id, site_id, sighting_id, outcome, person_id, second_person_id, seen_at,
      ${now.toISOString()}::timestamptz
    FROM ${noted} AS ${columns}
    WHERE kept = 1 AND NOT EXISTS (SELECT FROM cloud.removed_image gone
      WHERE gone.tenant_id = noted.tenant_id AND gone.digest = decode(noted.digest, 'hex'))
    ON CONFLICT DO NOTHING`);
}

/** Sites with the switch on, by `{tenant}/{site}`. */
async function readSites(
  tx: Transaction,
  sightings: readonly ImagedSighting[],
): Promise<ReadonlyMap<string, typeof imageSite.$inferSelect>> {
  const tenants = [...new Set(sightings.map(({ address }) => address.tenantId))];
  const siteIds = [...new Set(sightings.map(({ siteId }) => siteId))];
  const rows = await tx
    .select()
    .from(imageSite)
    .where(and(inArray(imageSite.tenantId, tenants), inArray(imageSite.siteId, siteIds), eq(imageSite.enabled, true)));
  return new Map(rows.map((row) => [`${row.tenantId}/${row.siteId}`, row]));
}
