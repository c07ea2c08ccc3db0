import type { Transaction } from '@sightline/database';
import type { Sha256, SightingId, TenantId } from '@sightline/kernel';
import type { OpenSetDecision } from '@sightline/matching';
import type { Template } from '@sightline/template-protection';
import { sql } from 'drizzle-orm';

import { keptProbe } from '../storage/decision-schema.js';
import { insertAsJson } from '../storage/json-rows.js';
import { namedBy, type SealedProbe } from './probe-keeping.js';

/** A stored decision with the probe that was sealed for it. */
export interface DecidedSighting {
  readonly tenantId: TenantId;
  readonly sightingId: SightingId;
  readonly revision: number;
  readonly decision: OpenSetDecision;
  readonly kept: SealedProbe;
}

interface Revision {
  readonly tenantId: TenantId;
  readonly id: SightingId;
  readonly revision: number;
}

/**
 * Keeps the probes of revisions that are now their sighting's state, one for each sighting: all revisions show one
 * person. In the transaction that stores the decisions, which holds the people's rows: a probe that was sealed for
 * somebody whom the decision does not name after all is not kept.
 */
export async function keepProbes(
  tx: Transaction,
  changed: readonly Revision[],
  { decided, now }: { readonly decided: readonly DecidedSighting[]; readonly now: Date },
): Promise<void> {
  if (decided.length === 0) return;
  const current = new Set(changed.map(({ tenantId, id, revision }) => `${tenantId}/${id}/${revision}`));
  const rows = decided
    .filter(({ tenantId, sightingId, revision }) => current.delete(`${tenantId}/${sightingId}/${revision}`))
    .filter(({ decision, kept }) => kept.personIds.join() === namedBy(decision).join())
    .map((one) => rowOf(one, now));
  if (rows.length === 0) return;
  // A row that is as good already is not written again: a person in view is decided about every few seconds.
  await tx.execute(sql`
    ${insertAsJson(keptProbe, rows)}
    ON CONFLICT (tenant_id, sighting_id) DO UPDATE SET
      revision = excluded.revision, person_id = excluded.person_id, second_person_id = excluded.second_person_id,
      template_id = excluded.template_id, model_space = excluded.model_space, key_id = excluded.key_id,
      variant_digest = excluded.variant_digest, codec = excluded.codec, scale = excluded.scale,
      dimension = excluded.dimension, quality = excluded.quality, sealed = excluded.sealed,
      expires_at = excluded.expires_at
    WHERE (kept_probe.person_id, kept_probe.second_person_id)
      IS DISTINCT FROM (excluded.person_id, excluded.second_person_id) OR kept_probe.quality < excluded.quality`);
}

/** As {@link SealedProbe}, from its row. */
export function sealedProbeOf(row: typeof keptProbe.$inferSelect): Omit<SealedProbe, 'keptForMs'> {
  const { templateId, personId, secondPersonId, keyId, codec, scale, dimension, quality, sealed } = row;
  const variantDigest = Buffer.from(row.variantDigest).toString('hex') as Sha256;
  return {
    templateId,
    personIds: [personId, secondPersonId].filter((id) => id !== null),
    template: { spaceId: row.modelSpace, keyId, variantDigest, codec, scale, dimension, quality },
    sealed,
  };
}

/** The columns of a template whose bytes are sealed elsewhere. */
export function templateColumnsOf({ spaceId, variantDigest, ...template }: Omit<Template, 'data'>) {
  return { ...template, modelSpace: spaceId, variantDigest: new Uint8Array(Buffer.from(variantDigest, 'hex')) };
}

function rowOf({ tenantId, sightingId, revision, kept }: DecidedSighting, now: Date): typeof keptProbe.$inferInsert {
  const { personIds, templateId, template, sealed, keptForMs } = kept;
  const [personId = null, secondPersonId = null] = personIds;
  return {
    ...{ tenantId, sightingId, revision, personId, secondPersonId, templateId, sealed },
    ...templateColumnsOf(template),
    expiresAt: new Date(now.getTime() + keptForMs),
  };
}
