import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, isSlug, type Clock, type DeviceId, type PersonId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, desc, eq, inArray, isNull, sql } from 'drizzle-orm';

import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { edgeCache, edgeCacheErasure, erasure } from '../storage/edge-cache-schema.js';
import { device } from '../storage/schema.js';
import type { EdgeCacheRow } from './cache-step.js';

/** Decisions that differed are counted over this time, ms. */
const COUNTED_MS = 7 * 86_400_000;

interface PeopleCounts {
  readonly people: number;
  readonly templates: number;
  readonly unsent: number;
}

interface CacheView {
  readonly cache: EdgeCacheRow;
  readonly siteId: string;
  readonly online: boolean;
  readonly createdAt: Date;
}

/** What operators see of the caches. */
@Injectable()
export class EdgeCacheViews {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** In the order of the devices: newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.EdgeCachePage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isSlug);
    const rows = await this.database.db
      .select({ cache: edgeCache, siteId: device.siteId, online: device.online, createdAt: device.createdAt })
      .from(edgeCache)
      .innerJoin(device, and(eq(device.tenantId, edgeCache.tenantId), eq(device.id, edgeCache.deviceId)))
      .where(
        and(
          eq(edgeCache.tenantId, tenantId),
          after && sql`(${device.createdAt}, ${device.id}) < (${after.time.toISOString()}::timestamptz, ${after.id})`,
        ),
      )
      .orderBy(desc(device.createdAt), desc(device.id))
      .limit(limit + 1);
    const ids = rows.map(({ cache }) => cache.deviceId);
    const [counts, erasures, differed] = await Promise.all([
      this.#counts(tenantId, ids),
      this.#pendingErasures(tenantId, ids),
      this.#differed(tenantId, ids),
    ]);
    return toPage(rows, limit, {
      item: (row) => {
        const { deviceId } = row.cache;
        const people = counts.get(deviceId) ?? { people: 0, templates: 0, unsent: 0 };
        const pendingErasures = erasures.filter((pending) => pending.deviceId === deviceId);
        return toEdgeCache(row, people, { pendingErasures, localDiffered: differed.get(deviceId) ?? 0 });
      },
      cursor: ({ createdAt, cache }) => ({ time: createdAt, id: cache.deviceId }),
    });
  }

  /** @throws AppError `PERSON.NOT_ERASED` */
  async erasure(tenantId: TenantId, personId: PersonId): Promise<rest.Erasure> {
    const { db } = this.database;
    const [found] = await db
      .select()
      .from(erasure)
      .where(and(eq(erasure.tenantId, tenantId), eq(erasure.personId, personId)));
    if (found === undefined) throw new AppError('PERSON.NOT_ERASED', 'Nobody with this id was erased.');
    const rows = await db
      .select({ receipt: edgeCacheErasure, leaseExpiresAt: edgeCache.leaseExpiresAt })
      .from(edgeCacheErasure)
      .leftJoin(
        edgeCache,
        and(eq(edgeCache.tenantId, edgeCacheErasure.tenantId), eq(edgeCache.deviceId, edgeCacheErasure.deviceId)),
      )
      .where(and(eq(edgeCacheErasure.tenantId, tenantId), eq(edgeCacheErasure.erasureId, found.id)))
      .orderBy(asc(edgeCacheErasure.deviceId));
    return {
      ...{ id: found.id, personId, erasedAt: found.erasedAt.toISOString() },
      devices: rows.map(({ receipt, leaseExpiresAt }) => ({
        deviceId: receipt.deviceId,
        sentAt: timestamp(receipt.sentAt),
        confirmedAt: timestamp(receipt.confirmedAt),
        leaseExpiresAt: timestamp(leaseExpiresAt),
      })),
      outstanding: rows.filter(({ receipt }) => receipt.confirmedAt === null).length,
    };
  }

  async #counts(tenantId: TenantId, ids: readonly DeviceId[]): Promise<ReadonlyMap<string, PeopleCounts>> {
    const { rows } = await this.database.db.execute<PeopleCounts & { deviceId: string } & Record<string, unknown>>(sql`
      SELECT device_id AS "deviceId", count(*) FILTER (WHERE wanted)::int AS people,
        coalesce(sum(templates) FILTER (WHERE wanted), 0)::int AS templates,
        count(*) FILTER (WHERE version IS NULL)::int AS unsent
      FROM cloud.edge_cache_person
      WHERE tenant_id = ${tenantId} AND device_id = ANY (${sql.param(ids)}::text[]) GROUP BY device_id`);
    return new Map(rows.map(({ deviceId, people, templates, unsent }) => [deviceId, { people, templates, unsent }]));
  }

  #pendingErasures(tenantId: TenantId, ids: readonly DeviceId[]) {
    const { deviceId, erasureId, sentAt } = edgeCacheErasure;
    return (
      this.database.db
        // The person's id is not null as long as a receipt is outstanding.
        .select({
          ...{ deviceId, erasureId, sentAt, erasedAt: erasure.erasedAt },
          personId: sql<PersonId>`${erasure.personId}`,
        })
        .from(edgeCacheErasure)
        .innerJoin(erasure, and(eq(erasure.tenantId, edgeCacheErasure.tenantId), eq(erasure.id, erasureId)))
        .where(
          and(
            eq(edgeCacheErasure.tenantId, tenantId),
            inArray(deviceId, [...ids]),
            isNull(edgeCacheErasure.confirmedAt),
          ),
        )
        .orderBy(asc(erasure.erasedAt), asc(erasureId))
    );
  }

  async #differed(tenantId: TenantId, ids: readonly DeviceId[]): Promise<ReadonlyMap<string, number>> {
    const since = new Date(this.clock.wallMs() - COUNTED_MS);
    const { rows } = await this.database.db.execute<{ deviceId: string; count: number }>(sql`
      SELECT sighting.device_id AS "deviceId", count(*)::int AS count
      FROM cloud.identification decision
      JOIN cloud.sighting sighting ON sighting.tenant_id = decision.tenant_id AND sighting.id = decision.sighting_id
      WHERE decision.tenant_id = ${tenantId} AND decision.local_differed AND decision.decided_at > ${since}
        AND sighting.device_id = ANY (${sql.param(ids)}::text[]) GROUP BY sighting.device_id`);
    return new Map(rows.map(({ deviceId, count }) => [deviceId, count]));
  }
}

interface Outstanding {
  readonly pendingErasures: readonly {
    readonly erasureId: string;
    readonly personId: PersonId;
    readonly erasedAt: Date;
    readonly sentAt: Date | null;
  }[];
  readonly localDiffered: number;
}

function toEdgeCache(
  { cache, siteId, online }: CacheView,
  counts: PeopleCounts,
  outstanding: Outstanding,
): rest.EdgeCache {
  const { deviceId, cacheId, modelSpace, keyId, maximumTemplates, sentVersion, confirmedVersion } = cache;
  const { leaseIssuedAt, leaseExpiresAt, lastError, lastErrorAt, lastReceiptAt } = cache;
  return {
    ...{ deviceId, siteId, online, cacheId, modelSpace, keyId, maximumTemplates, ...counts },
    ...{ sentVersion, confirmedVersion, localDiffered: outstanding.localDiffered },
    lease:
      leaseIssuedAt && leaseExpiresAt
        ? { issuedAt: leaseIssuedAt.toISOString(), expiresAt: leaseExpiresAt.toISOString() }
        : null,
    pendingErasures: outstanding.pendingErasures.map(({ erasureId, personId, erasedAt, sentAt }) => ({
      ...{ erasureId, personId, erasedAt: erasedAt.toISOString(), sentAt: timestamp(sentAt) },
    })),
    lastReceiptAt: timestamp(lastReceiptAt),
    error: lastError !== null && lastErrorAt !== null ? { code: lastError, at: lastErrorAt.toISOString() } : null,
  };
}

const timestamp = (time: Date | null): string | null => time?.toISOString() ?? null;
