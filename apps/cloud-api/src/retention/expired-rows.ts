import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { sql, type SQL } from 'drizzle-orm';

/** Rows of one statement: it holds its locks for milliseconds, and ingest does not notice. */
export const ROWS = 1000;

/** What of a tenant is older than a time. */
export interface Expired {
  readonly tenantId: TenantId;
  readonly before: Date;
}

interface Kind {
  /** What there is to do, without what is done already. */
  readonly table: SQL;
  readonly isExpired: (expired: Expired) => SQL;
  /** Deletes some rows, oldest first. */
  readonly statement: (some: SQL) => SQL;
  readonly order: SQL;
}

const ofDecision = (one: SQL, other: SQL): SQL => sql`${one}.tenant_id = ${other}.tenant_id
  AND ${one}.sighting_id = ${other}.sighting_id AND ${one}.revision = ${other}.revision`;

const IDENTIFIES = sql`(person_id IS NOT NULL OR local_person_id IS NOT NULL OR candidate_ids IS NOT NULL
  OR EXISTS (SELECT FROM cloud.labelled_set_member label WHERE ${ofDecision(sql`label`, sql`identification`)}))`;

const kinds: Readonly<Record<rest.RetentionKind, Kind>> = {
  sightings: {
    table: sql`cloud.sighting`,
    isExpired: ({ tenantId, before }) => sql`tenant_id = ${tenantId} AND first_seen_at < ${before}`,
    order: sql`first_seen_at`,
    // Reviews and what a merge has moved go with the decisions.
    statement: (some) => sql`
      WITH gone AS (DELETE FROM cloud.sighting WHERE ctid = ANY (ARRAY(${some})) RETURNING tenant_id, id),
        decisions AS (DELETE FROM cloud.identification own USING gone
          WHERE own.tenant_id = gone.tenant_id AND own.sighting_id = gone.id),
        probes AS (DELETE FROM cloud.kept_probe own USING gone
          WHERE own.tenant_id = gone.tenant_id AND own.sighting_id = gone.id),
        images AS (DELETE FROM cloud.sealed_image own USING gone
          WHERE own.tenant_id = gone.tenant_id AND own.sighting_id = gone.id)
      SELECT FROM gone`,
  },
  identifications: {
    table: sql`cloud.identification`,
    isExpired: ({ tenantId, before }) => sql`tenant_id = ${tenantId} AND decided_at < ${before} AND ${IDENTIFIES}`,
    order: sql`decided_at`,
    statement: (some) => sql`
      WITH forgotten AS (
          UPDATE cloud.identification
          SET person_id = NULL, local_person_id = NULL, candidates = NULL, candidate_ids = NULL
          WHERE ctid = ANY (ARRAY(${some})) RETURNING tenant_id, sighting_id, revision),
        labels AS (DELETE FROM cloud.labelled_set_member own USING forgotten
          WHERE ${ofDecision(sql`own`, sql`forgotten`)})
      SELECT FROM forgotten`,
  },
  quarantine: {
    table: sql`cloud.quarantine`,
    isExpired: ({ tenantId, before }) => sql`tenant_id = ${tenantId} AND received_at < ${before}`,
    order: sql`received_at`,
    statement: (some) => sql`DELETE FROM cloud.quarantine WHERE ctid = ANY (ARRAY(${some}))`,
  },
  'drift-reports': {
    table: sql`cloud.drift_report`,
    isExpired: ({ tenantId, before }) => sql`tenant_id = ${tenantId} AND compared_at < ${before}`,
    order: sql`compared_at`,
    statement: (some) => sql`DELETE FROM cloud.drift_report WHERE ctid = ANY (ARRAY(${some}))`,
  },
  'device-health': {
    table: sql`cloud.device_health_window`,
    isExpired: ({ tenantId, before }) => sql`tenant_id = ${tenantId} AND ended_at < ${before}`,
    order: sql`ended_at`,
    statement: (some) => sql`DELETE FROM cloud.device_health_window WHERE ctid = ANY (ARRAY(${some}))`,
  },
  alerts: {
    table: sql`cloud.alert`,
    isExpired: ({ tenantId, before }) => sql`tenant_id = ${tenantId} AND raised_at < ${before}`,
    order: sql`raised_at`,
    statement: (some) => sql`DELETE FROM cloud.alert WHERE ctid = ANY (ARRAY(${some}))`,
  },
  // Their files follow by themselves.
  images: {
    table: sql`cloud.sealed_image`,
    isExpired: ({ tenantId, before }) => sql`tenant_id = ${tenantId} AND noted_at < ${before}`,
    order: sql`noted_at`,
    statement: (some) => sql`DELETE FROM cloud.sealed_image WHERE ctid = ANY (ARRAY(${some}))`,
  },
};

/** How many rows of a kind have expired. */
export async function countExpired({ db }: Database, kind: rest.RetentionKind, expired: Expired): Promise<number> {
  const { table, isExpired } = kinds[kind];
  const { rows } = await db.execute<{ count: number }>(
    sql`SELECT count(*)::int AS count FROM ${table} WHERE ${isExpired(expired)}`,
  );
  return rows[0]?.count ?? 0;
}

/** Deletes, or lets forget, the oldest {@link ROWS} rows of a kind at most. @returns how many there were */
export async function expireSome({ db }: Database, kind: rest.RetentionKind, expired: Expired): Promise<number> {
  const { table, isExpired, order, statement } = kinds[kind];
  const some = sql`
    SELECT ctid FROM ${table} WHERE ${isExpired(expired)} ORDER BY ${order} LIMIT ${ROWS} FOR UPDATE SKIP LOCKED`;
  const { rowCount } = await db.execute(statement(some));
  return rowCount ?? 0;
}
