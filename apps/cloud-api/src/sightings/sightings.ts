import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, isUuid, type DeviceId, type PersonId, type SightingId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, gte, lt, sql } from 'drizzle-orm';

import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { DATABASE } from '../platform/tokens.js';
import { identification, quarantine, sighting } from '../storage/schema.js';
import { readSightings, toSighting } from './sighting-view.js';

/** Who was seen, and what could not be read. */
@Injectable()
export class Sightings {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly personalData: PersonalData,
  ) {}

  /** Newest first, by the time of first sight. */
  async list(tenantId: TenantId, query: rest.SightingQuery): Promise<rest.SightingPage> {
    const { limit, cursor, deviceId, personId, outcome, from, to, receivedFrom } = query;
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const where = and(
      eq(sighting.tenantId, tenantId),
      deviceId === undefined ? undefined : eq(sighting.deviceId, deviceId as DeviceId),
      personId === undefined ? undefined : eq(identification.personId, personId as PersonId),
      outcome === undefined ? undefined : eq(identification.outcome, outcome),
      from === undefined ? undefined : gte(sighting.firstSeenAt, new Date(from)),
      to === undefined ? undefined : lt(sighting.firstSeenAt, new Date(to)),
      receivedFrom === undefined ? undefined : gte(sighting.receivedAt, new Date(receivedFrom)),
      after &&
        sql`(${sighting.firstSeenAt}, ${sighting.id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
    );
    const rows = await readSightings(this.database, this.personalData, { where, limit: limit + 1 });
    return toPage(rows, limit, {
      item: toSighting,
      cursor: ({ sighting: { firstSeenAt, id } }) => ({ time: firstSeenAt, id }),
    });
  }

  /** @throws AppError `SIGHTING.NOT_FOUND` */
  async get(tenantId: TenantId, id: SightingId): Promise<rest.Sighting> {
    const where = and(eq(sighting.tenantId, tenantId), eq(sighting.id, id));
    const [row] = await readSightings(this.database, this.personalData, { where, limit: 1 });
    if (row === undefined) throw new AppError('SIGHTING.NOT_FOUND', 'There is no sighting with this id.');
    return toSighting(row);
  }

  /** What devices sent and nobody could read, newest first: the bytes themselves are not kept. */
  async quarantined(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.QuarantinePage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const { id, deviceId, streamId, sequence, code, detail, bytes, payloadSha256, receivedAt } = quarantine;
    const rows = await this.database.db
      .select({ id, deviceId, streamId, sequence, code, detail, bytes, payloadSha256, receivedAt })
      .from(quarantine)
      .where(
        and(
          eq(quarantine.tenantId, tenantId),
          after && sql`(${receivedAt}, ${id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(receivedAt), desc(id))
      .limit(limit + 1);
    return toPage(rows, limit, {
      item: ({ payloadSha256: sha256, receivedAt: time, ...row }) => ({
        ...row,
        sha256: Buffer.from(sha256).toString('hex'),
        receivedAt: time.toISOString(),
      }),
      cursor: (row) => ({ time: row.receivedAt, id: row.id }),
    });
  }
}
