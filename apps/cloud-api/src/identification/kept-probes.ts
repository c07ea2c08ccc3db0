import type { Transaction } from '@sightline/database';
import type { Sha256, SightingId, TenantId } from '@sightline/kernel';
import type { OpenSetDecision } from '@sightline/matching';
import type { Template } from '@sightline/template-protection';
import { sql } from 'drizzle-orm';

import { inChunks } from '../storage/chunks.js';
import { keptProbe } from '../storage/decision-schema.js';
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
  await inChunks(rows, (chunk) =>
    tx
      .insert(keptProbe)
      .values(chunk)
      .onConflictDoUpdate({
        target: [keptProbe.tenantId, keptProbe.sightingId],
        set: replaced,
        // A row that is as good already is not written again: a person in view is decided about every few seconds.
        setWhere: sql`(${keptProbe.personId}, ${keptProbe.secondPersonId}) IS DISTINCT FROM (excluded.person_id, excluded.second_person_id) OR ${keptProbe.quality} < excluded.quality`,
      })
      .returning({ revision: keptProbe.revision }),
  );
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

const replaced = {
  revision: sql`excluded.revision`,
  personId: sql`excluded.person_id`,
  secondPersonId: sql`excluded.second_person_id`,
  templateId: sql`excluded.template_id`,
  modelSpace: sql`excluded.model_space`,
  keyId: sql`excluded.key_id`,
  variantDigest: sql`excluded.variant_digest`,
  codec: sql`excluded.codec`,
  scale: sql`excluded.scale`,
  dimension: sql`excluded.dimension`,
  quality: sql`excluded.quality`,
  sealed: sql`excluded.sealed`,
  expiresAt: sql`excluded.expires_at`,
};
