import type { Database } from '@sightline/database';
import type { DeviceAddress } from '@sightline/contracts';
import type { Clock } from '@sightline/kernel';
import { and, eq, sql } from 'drizzle-orm';
import { bigint, pgSchema, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';

// The typed view of migrations/*.sql, which are the truth.
const desiredRelease = pgSchema('registry').table(
  'desired_release',
  {
    tenantId: text('tenant_id').notNull(),
    deviceId: text('device_id').notNull(),
    version: bigint('version', { mode: 'bigint' }).notNull(),
    releaseVersion: text('release_version').notNull(),
    releaseDigest: text('release_digest').notNull(),
    repositoryUrl: text('repository_url').notNull(),
    changedAt: timestamp('changed_at', { withTimezone: true, mode: 'date' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.deviceId] })],
);

/** What a device is to run, and where it gets it. */
export interface Desired {
  readonly releaseVersion: string;
  readonly releaseDigest: string;
  readonly repositoryUrl: string;
}

/** A device's document as it is stored. */
export interface DesiredDocument extends Desired {
  readonly version: bigint;
}

/** The desired documents of the fleet, in the registry's own schema. */
export class DesiredReleases {
  readonly #db: Database['db'];
  readonly #clock: Pick<Clock, 'wallMs'>;

  constructor(database: Database, clock: Pick<Clock, 'wallMs'>) {
    this.#db = database.db;
    this.#clock = clock;
  }

  /**
   * Makes `desired` the device's document. Its version grows only when something changes; one statement,
   * so that two births at once cannot give out one version twice.
   *
   * @throws AppError `DATABASE.UNAVAILABLE` (retryable)
   */
  async assign({ tenantId, deviceId }: DeviceAddress, desired: Desired): Promise<DesiredDocument> {
    const changed = await this.#db
      .insert(desiredRelease)
      .values({ tenantId, deviceId, version: 1n, ...desired, changedAt: new Date(this.#clock.wallMs()) })
      .onConflictDoUpdate({
        target: [desiredRelease.tenantId, desiredRelease.deviceId],
        set: {
          version: sql`${desiredRelease.version} + 1`,
          releaseVersion: sql`excluded.release_version`,
          releaseDigest: sql`excluded.release_digest`,
          repositoryUrl: sql`excluded.repository_url`,
          changedAt: sql`excluded.changed_at`,
        },
        setWhere: sql`(${desiredRelease.releaseVersion}, ${desiredRelease.releaseDigest}, ${desiredRelease.repositoryUrl})
          IS DISTINCT FROM (excluded.release_version, excluded.release_digest, excluded.repository_url)`,
      })
      .returning({ version: desiredRelease.version });
    const [row] =
      changed.length > 0
        ? changed
        : await this.#db
            .select({ version: desiredRelease.version })
            .from(desiredRelease)
            .where(and(eq(desiredRelease.tenantId, tenantId), eq(desiredRelease.deviceId, deviceId)));
    if (row === undefined) throw new Error('a desired release was removed behind the registry');
    return { version: row.version, ...desired };
  }
}
