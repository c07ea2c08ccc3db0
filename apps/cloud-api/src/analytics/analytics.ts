import type { rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import { decodeCursor, toPage } from '../http/page-cursor.js';
import { DATABASE } from '../platform/tokens.js';
import {
  binsView,
  bucketView,
  countsView,
  distributionLines,
  distributionView,
  summaryView,
} from './analytics-views.js';
import { readDistributions } from './distributions.js';
import { readPeopleByTime, readUniquePeople } from './people-figures.js';
import { dimensionColumns, seriesKeyValues, type Dimension } from './series.js';
import { timeBuckets, type TimeBuckets } from './time-buckets.js';
import { readTraffic, type TrafficCounts } from './traffic.js';

/** What was seen, in figures. They name nobody. */
@Injectable()
export class Analytics {
  constructor(@Inject(DATABASE) private readonly database: Database) {}

  /** All of a range in one row. */
  summary(tenantId: TenantId, query: rest.AnalyticsSummaryQuery): Promise<rest.AnalyticsSummary> {
    const buckets = timeBuckets({ ...query, per: 'range' });
    const { from, to } = buckets;
    return this.#read(tenantId, async (tx, freshness) => {
      const [counts] = await readTraffic({ db: tx }, { tenantId, ...seriesOf(query), buckets });
      const [histograms] = await readDistributions({ db: tx }, { tenantId, ...seriesOf(query), from, to, by: [] });
      return { ...freshness, ...summaryView(counts, histograms) };
    });
  }

  /**
   * Counts by time, and by site, camera … where asked for, earliest first.
   *
   * @throws AppError `REQUEST.INVALID` for a cursor that is not ours
   */
  traffic(tenantId: TenantId, query: rest.TrafficQuery): Promise<rest.TrafficPage> {
    const { limit, cursor } = query;
    const buckets = timeBuckets(query);
    const by = dimensionOf(query);
    const after = cursor === undefined ? undefined : positionIn(buckets, by, cursor);
    return this.#read(tenantId, async (tx, freshness) => {
      const rows = await readTraffic(
        { db: tx },
        { tenantId, ...seriesOf(query), buckets, by, after, limit: limit + 1 },
      );
      const page = toPage(rows, limit, {
        item: (row) => trafficView(row, buckets),
        cursor: (row) => ({ time: startOf(buckets, row.bucket), id: keyText(by, row) }),
      });
      return { ...freshness, ...page };
    });
  }

  /** The same, whole. */
  async trafficTable(tenantId: TenantId, query: rest.TrafficTableQuery): Promise<readonly rest.TrafficRow[]> {
    const buckets = timeBuckets(query);
    return this.#read(tenantId, async (tx) => {
      const rows = await readTraffic({ db: tx }, { tenantId, ...seriesOf(query), buckets, by: dimensionOf(query) });
      return rows.map((row) => trafficView(row, buckets));
    });
  }

  people(tenantId: TenantId, { siteId, ...query }: rest.UniquePeopleQuery): Promise<rest.UniquePeople> {
    const buckets = timeBuckets({ ...query, per: 'range' });
    return this.#read(tenantId, async (tx, freshness) => {
      const { people, sites } = await readUniquePeople({ db: tx }, { tenantId, siteId, buckets });
      return { ...freshness, people, sites: [...sites] };
    });
  }

  occupancy(tenantId: TenantId, { siteId, ...query }: rest.OccupancyQuery): Promise<rest.Occupancy> {
    const buckets = timeBuckets(query);
    return this.#read(tenantId, async (tx, freshness) => {
      const people = await readPeopleByTime({ db: tx }, { tenantId, siteId, buckets });
      const counts = await readTraffic({ db: tx }, { tenantId, siteId, buckets });
      const items = counts.map((row) => {
        const { sightings, unknown, dwellSeconds } = countsView(row);
        const here = { people: people.get(row.bucket) ?? 0, sightings, unknown, minutesInView: dwellSeconds / 60 };
        return { ...bucketView(buckets, row.bucket), ...here };
      });
      return { ...freshness, items };
    });
  }

  /** @throws AppError `REQUEST.INVALID` for a cursor that is not ours */
  distributions(tenantId: TenantId, query: rest.DistributionsQuery): Promise<rest.DistributionsPage> {
    const { limit, cursor } = query;
    const { from, to, ...buckets } = timeBuckets({ ...query, per: 'range' });
    const by = dimensionOf(query);
    const after = cursor === undefined ? undefined : positionIn({ from, to, ...buckets }, by, cursor).keys;
    return this.#read(tenantId, async (tx, freshness) => {
      const rows = await readDistributions(
        { db: tx },
        { tenantId, ...seriesOf(query), from, to, by: listOf(by), after, limit: limit + 1 },
      );
      const page = toPage(rows, limit, {
        item: distributionView,
        cursor: (row) => ({ time: from, id: keyText(by, row) }),
      });
      return { ...freshness, bins: binsView(), ...page };
    });
  }

  /** The same, whole: a line for each bin. */
  distributionsTable(
    tenantId: TenantId,
    query: rest.DistributionsTableQuery,
  ): Promise<readonly rest.DistributionLine[]> {
    const { from, to } = timeBuckets({ ...query, per: 'range' });
    return this.#read(tenantId, async (tx) => {
      const rows = await readDistributions(
        { db: tx },
        { tenantId, ...seriesOf(query), from, to, by: listOf(dimensionOf(query)) },
      );
      return rows.flatMap(distributionLines);
    });
  }

  /** Reads in one snapshot, and says how fresh it is. */
  #read<Result>(
    tenantId: TenantId,
    read: (tx: Transaction, freshness: { readonly rolledUpTo: string }) => Promise<Result>,
  ): Promise<Result> {
    const work = async (tx: Transaction): Promise<Result> => {
      // Compiling a statement takes longer than running any of these.
      await tx.execute(sql`SET LOCAL jit = off`);
      const { rows } = await tx.execute<{ at: number }>(sql`
        SELECT extract(epoch FROM coalesce(min(noted_at), now()))::float8 AS at
        FROM cloud.analytics_dirty WHERE tenant_id = ${tenantId}`);
      return read(tx, { rolledUpTo: new Date(Math.floor((rows[0]?.at ?? 0) * 1000)).toISOString() });
    };
    return inTransaction(this.database, work, { isolationLevel: 'repeatable read', accessMode: 'read only' });
  }
}

type Filter = Pick<rest.AnalyticsSummaryQuery, 'siteId' | 'deviceId' | 'cameraId' | 'releaseDigest' | 'variantDigest'>;
const seriesOf = ({ siteId, deviceId, cameraId, releaseDigest, variantDigest }: Filter): Filter => ({
  ...{ siteId, deviceId, cameraId, releaseDigest, variantDigest },
});

const dimensionOf = ({ by }: Pick<rest.TrafficTableQuery, 'by'>): Dimension | undefined =>
  by === 'none' ? undefined : by;
const listOf = (by: Dimension | undefined): readonly Dimension[] => (by === undefined ? [] : [by]);
const keyText = (by: Dimension | undefined, row: Parameters<typeof seriesKeyValues>[1]): string =>
  JSON.stringify(seriesKeyValues(listOf(by), row));

function startOf({ starts }: TimeBuckets, bucket: number): Date {
  const start = starts[bucket];
  if (start === undefined) throw new Error('a bucket outside of the range');
  return start;
}

const trafficView = (row: TrafficCounts, buckets: TimeBuckets): rest.TrafficRow => {
  const { siteId, deviceId, cameraId, releaseDigest, variantDigest } = row;
  const series = { siteId, deviceId, cameraId, releaseDigest, variantDigest };
  return { ...bucketView(buckets, row.bucket), ...series, ...countsView(row) };
};

/** Where a page ended. @throws AppError `REQUEST.INVALID` */
function positionIn(buckets: TimeBuckets, by: Dimension | undefined, cursor: string) {
  const { time, id } = decodeCursor(cursor, () => true);
  const keys = keysOf(id);
  const bucket = buckets.starts.findIndex((start) => start.getTime() === time.getTime());
  if (bucket < 0 || keys?.length !== dimensionColumns(listOf(by)).length) {
    throw new AppError('REQUEST.INVALID', 'The cursor is not one of this list.');
  }
  return { bucket, keys };
}

/** @returns undefined for what is no list of keys, or holds what no key does */
function keysOf(id: string): readonly string[] | undefined {
  try {
    const keys: unknown = JSON.parse(id);
    const areKeys = Array.isArray(keys) && keys.every((key) => typeof key === 'string' && !/[\p{Cc}\p{Cs}]/u.test(key));
    return areKeys ? (keys as string[]) : undefined;
  } catch {
    return undefined;
  }
}
