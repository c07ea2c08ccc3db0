import type { Transaction } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { and, asc, eq, inArray } from 'drizzle-orm';

import { personGroup } from '../storage/people-schema.js';

/** Groups that are watch-lists by what everybody calls them. */
const WATCH_LIST = 'watch-list';

/**
 * Makes the groups that are named for the first time, and keeps all of them from being deleted until the transaction
 * ends. In the transaction that puts people into them.
 */
export async function assureGroups(
  tx: Transaction,
  tenantId: TenantId,
  { slugs, now }: { readonly slugs: readonly string[]; readonly now: Date },
): Promise<void> {
  if (slugs.length === 0) return;
  // In one order, so that no two transactions wait for each other's groups.
  const ordered = [...new Set(slugs)].sort();
  const named = and(eq(personGroup.tenantId, tenantId), inArray(personGroup.slug, ordered));
  await tx
    .insert(personGroup)
    .values(
      ordered.map((slug) => ({
        ...{ tenantId, slug, name: slug, createdAt: now },
        kind: slug === WATCH_LIST ? ('watch-list' as const) : ('group' as const),
      })),
    )
    .onConflictDoNothing();
  await tx
    .select({ slug: personGroup.slug })
    .from(personGroup)
    .where(named)
    .orderBy(asc(personGroup.slug))
    .for('key share');
}
