import type { Transaction } from '@sightline/database';
import { newSightingId, type PersonId, type SightingId, type TenantId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import { insertAsJson } from '../storage/json-rows.js';
import { identification, sighting } from '../storage/schema.js';
import { RELEASE_DIGEST, SPACE, VARIANT } from './fake-release.js';
import { TENANT } from './test-cloud.js';

export interface SeededSighting {
  readonly id?: SightingId | undefined;
  readonly tenantId?: TenantId;
  readonly deviceId?: string;
  readonly siteId?: string;
  readonly cameraId?: string;
  readonly revision?: number;
  /** RFC 3339. */
  readonly at: string;
  /** From first to last sight, seconds. Default: 4. */
  readonly seconds?: number;
  readonly quality?: number;
  readonly releaseDigest?: string;
  /** Null: the box sent no probe. */
  readonly probeVariant?: string | null;
  /** Default: identified where there is a person, else unknown. */
  readonly outcome?: 'identified' | 'ambiguous' | 'unknown' | 'refused';
  readonly personId?: PersonId | undefined;
  readonly score?: number | null;
}

/** Writes sightings with the decisions about them, as ingest would; a higher revision takes the place of a lower. */
export async function seedSightings(
  db: Pick<Transaction, 'execute'>,
  seeds: readonly SeededSighting[],
): Promise<readonly SightingId[]> {
  const rows = seeds.map((seed) => ({ ...seed, id: seed.id ?? newSightingId() }));
  await db.execute(insertAsJson(identification, rows.map(decisionRow)));
  await db.execute(sql`${insertAsJson(sighting, rows.map(sightingRow))}
    ON CONFLICT (tenant_id, id) DO UPDATE SET revision = excluded.revision, camera_id = excluded.camera_id,
      last_seen_at = excluded.last_seen_at, quality = excluded.quality, release_digest = excluded.release_digest
    WHERE sighting.revision < excluded.revision`);
  return rows.map(({ id }) => id);
}

type Placed = SeededSighting & { readonly id: SightingId };

function sightingRow(seed: Placed): typeof sighting.$inferInsert {
  const { id, tenantId = TENANT, deviceId = 'box-1', siteId = 'lobby', cameraId = 'door', revision = 1 } = seed;
  const { at, seconds = 4, quality = 0.8, releaseDigest = RELEASE_DIGEST } = seed;
  const firstSeenAt = new Date(at);
  return {
    ...{ tenantId, id, siteId, cameraId, revision, phase: 'close', firstSeenAt, receivedAt: firstSeenAt },
    deviceId: deviceId as typeof sighting.$inferInsert.deviceId,
    lastSeenAt: new Date(firstSeenAt.getTime() + seconds * 1000),
    ...{ deviceFirstSeenMs: 0, deviceLastSeenMs: 0, bootId: 'b', clockSynchronised: true, dating: 'monotonic' },
    ...{ latencyMs: 10, quality, liveScore: null, frames: 5, replayed: false, closeReason: 'left' },
    ...{ releaseDigest, trialArm: '', stageMs: {} },
  };
}

function decisionRow(seed: Placed): typeof identification.$inferInsert {
  const { id, tenantId = TENANT, revision = 1, at, personId = null, score = 0.3, probeVariant } = seed;
  const { outcome = personId === null ? 'unknown' : 'identified' } = seed;
  return {
    ...{ tenantId, sightingId: id, revision, outcome, personId, score, threshold: 0.5, falseMatchRate: 1e-3 },
    ...{ refusalCode: null, identifyMs: 1, localDiffered: false, decidedAt: new Date(at) },
    facts: {
      ...{ use: 'access', policy: 0, n: 10, fmr: 1e-3, release: '1.0.0', space: SPACE, variant: VARIANT, rules: [] },
      ...(probeVariant !== undefined && { probeVariant }),
    },
  };
}
