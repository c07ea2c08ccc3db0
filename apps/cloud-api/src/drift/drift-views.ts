import type { DeviceAddress, rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, isUuid, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, inArray, isNotNull, isNull, sql } from 'drizzle-orm';

import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { DATABASE } from '../platform/tokens.js';
import { driftReport, driftWatch } from '../storage/drift-schema.js';
import { device } from '../storage/schema.js';
import { sightingsIn } from './camera-distributions.js';
import type { WatchRow } from './drift-watching.js';

/** Watches of one device that are shown: each camera has one for a release and variant. */
const OF_DEVICE = 500;

type ReportRow = typeof driftReport.$inferSelect;

/** What is watched, and what was found, as REST shows it. */
@Injectable()
export class DriftViews {
  constructor(@Inject(DATABASE) private readonly database: Database) {}

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor, drifting, siteId }: rest.DriftQuery): Promise<rest.DriftPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const { createdAt, id, driftingSince } = driftWatch;
    const rows = await this.database.db
      .select()
      .from(driftWatch)
      .where(
        and(
          eq(driftWatch.tenantId, tenantId),
          siteId === undefined ? undefined : eq(driftWatch.siteId, siteId),
          drifting && (drifting === 'true' ? isNotNull(driftingSince) : isNull(driftingSince)),
          after && sql`(${createdAt}, ${id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(createdAt), desc(id))
      .limit(limit + 1);
    const items = new Map((await this.show(rows)).map((item) => [item.id, item]));
    const page = toPage(rows, limit, {
      item: (row) => items.get(row.id),
      cursor: (row) => ({ time: row.createdAt, id: row.id }),
    });
    return { ...page, items: page.items.filter((item) => item !== undefined) };
  }

  /** What is watched of a device, and its comparisons, newest first. @throws AppError `DEVICE.NOT_FOUND` */
  async ofDevice({ tenantId, deviceId }: DeviceAddress, { limit, cursor }: PageQuery): Promise<rest.DeviceDrift> {
    const isDevice = and(eq(device.tenantId, tenantId), eq(device.id, deviceId), isNull(device.deletedAt));
    const [known] = await this.database.db.select({ id: device.id }).from(device).where(isDevice);
    if (known === undefined) throw new AppError('DEVICE.NOT_FOUND', 'There is no such device.');
    const watches = await this.database.db
      .select()
      .from(driftWatch)
      .where(and(eq(driftWatch.tenantId, tenantId), eq(driftWatch.deviceId, deviceId)))
      .orderBy(desc(driftWatch.createdAt), desc(driftWatch.id))
      .limit(OF_DEVICE);
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const ids = watches.map(({ id }) => id);
    const { comparedAt, id, watchId } = driftReport;
    const reports = await this.database.db
      .select()
      .from(driftReport)
      .where(
        and(
          eq(driftReport.tenantId, tenantId),
          inArray(watchId, ids),
          after && sql`(${comparedAt}, ${id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(comparedAt), desc(id))
      .limit(limit + 1);
    const page = toPage(reports, limit, {
      item: (row) => ({ id: row.id, watchId: row.watchId, drifting: row.drifting, ...toFigures(row) }),
      cursor: (row) => ({ time: row.comparedAt, id: row.id }),
    });
    return { watches: await this.show(watches), ...page };
  }

  /** Watches with their last comparison, in their order. */
  async show(rows: readonly WatchRow[]): Promise<rest.DriftWatch[]> {
    const [first] = rows;
    if (first === undefined) return [];
    const ids = rows.map(({ id }) => id);
    const last = await this.database.db
      .selectDistinctOn([driftReport.watchId])
      .from(driftReport)
      .where(and(eq(driftReport.tenantId, first.tenantId), inArray(driftReport.watchId, ids)))
      .orderBy(driftReport.watchId, desc(driftReport.comparedAt), desc(driftReport.id));
    const reports = new Map(last.map((report) => [report.watchId, report]));
    return rows.map((row) => toWatch(row, reports.get(row.id)));
  }
}

function toWatch(row: WatchRow, last: ReportRow | undefined): rest.DriftWatch {
  const { id, deviceId, cameraId, siteId, releaseDigest, variantDigest, driftingSince, baselineUntil } = row;
  const watched = driftingSince === null ? 'watching' : 'drifting';
  return {
    ...{ id, deviceId, cameraId, siteId, releaseDigest, variantDigest },
    state: baselineUntil === null ? 'collecting' : watched,
    driftingSince: driftingSince?.toISOString() ?? null,
    baseline: {
      origin: row.baselineOrigin,
      from: row.baselineFrom.toISOString(),
      until: baselineUntil?.toISOString() ?? null,
      sightings: sightingsIn(row.baseline),
    },
    last: last === undefined ? null : toFigures(last),
  };
}

function toFigures({ comparedAt, windowFrom, windowUntil, measures }: ReportRow) {
  return {
    comparedAt: comparedAt.toISOString(),
    windowFrom: windowFrom.toISOString(),
    windowUntil: windowUntil.toISOString(),
    measures: [...measures],
  };
}
