import type { DeviceAddress } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import type { Clock } from '@sightline/kernel';
import { and, eq, sql } from 'drizzle-orm';

import type { ReleaseRef } from './rollout.js';
import { desiredRelease } from './rollout-tables.js';

/** A device's document as it is stored. */
export interface DesiredDocument extends DeviceAddress {
  readonly version: number;
  readonly releaseVersion: string;
  readonly releaseDigest: string;
  readonly repositoryUrl: string;
}

/** A device, and what it is to run. */
export interface Assignment extends DeviceAddress {
  readonly release: ReleaseRef;
}

export interface DesiredReleasesOptions {
  readonly database: Database;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** Base address of the repository, as devices are told. */
  readonly repositoryUrl: () => string;
}

/** How many documents are published at once. */
const BATCH = 50;

/**
 * The desired documents of the fleet, in the registry's own schema. A document's version grows with every change, and
 * whoever changes one leaves it to be published.
 */
export class DesiredReleases {
  readonly #options: DesiredReleasesOptions;

  constructor(options: DesiredReleasesOptions) {
    this.#options = options;
  }

  /**
   * Makes the default channel's release the document of a device that has none yet, and sees to the repository's address.
   * Whoever has a document keeps its release: to publish one, or to name another in the channel, moves nobody. One
   * statement, so that two births at once cannot give out one version twice. The document is to be published in any
   * case: a broker in memory may have forgotten it.
   *
   * @throws AppError `DATABASE.UNAVAILABLE` (retryable)
   */
  async assignDefault(device: DeviceAddress, release: ReleaseRef): Promise<void> {
    const { database, clock, repositoryUrl } = this.#options;
    const { tenantId, deviceId } = device;
    await database.db.execute(sql`
      INSERT INTO registry.desired_release AS d
        (tenant_id, device_id, version, release_version, release_digest, repository_url, changed_at)
      VALUES (${tenantId}, ${deviceId}, 1, ${release.version}, ${release.digest}, ${repositoryUrl()},
        ${new Date(clock.wallMs()).toISOString()}::timestamptz)
      ON CONFLICT (tenant_id, device_id) DO UPDATE SET
        version = d.version + 1, repository_url = excluded.repository_url, changed_at = excluded.changed_at
      WHERE d.repository_url <> excluded.repository_url`);
    await database.db
      .update(desiredRelease)
      .set({ publishedVersion: 0 })
      .where(and(eq(desiredRelease.tenantId, tenantId), eq(desiredRelease.deviceId, deviceId)));
  }

  /**
   * Has a rollout decide about devices. Their versions grow also where the release stays: a device tries again what it
   * is told anew. A device that a newer rollout decides about is left alone.
   *
   * @returns the new versions, by `{tenant}/{device}`
   */
  async assign(
    tx: Transaction,
    rolloutNumber: number,
    assignments: readonly Assignment[],
  ): Promise<Map<string, number>> {
    const { clock, repositoryUrl } = this.#options;
    const rows = assignments.map(({ tenantId, deviceId, release }) => ({
      ...{ tenant_id: tenantId, device_id: deviceId },
      ...{ release_version: release.version, release_digest: release.digest },
    }));
    const changed = await tx.execute<{ key: string; version: string }>(sql`
      INSERT INTO registry.desired_release AS d
        (tenant_id, device_id, version, release_version, release_digest, repository_url, changed_at, rollout_number)
      SELECT tenant_id, device_id, 1, release_version, release_digest, ${repositoryUrl()},
        ${new Date(clock.wallMs()).toISOString()}::timestamptz, ${rolloutNumber}
      FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        AS r (tenant_id text, device_id text, release_version text, release_digest text)
      ON CONFLICT (tenant_id, device_id) DO UPDATE SET
        version = d.version + 1, release_version = excluded.release_version, release_digest = excluded.release_digest,
        repository_url = excluded.repository_url, changed_at = excluded.changed_at,
        rollout_number = excluded.rollout_number
      WHERE d.rollout_number IS NULL OR d.rollout_number <= excluded.rollout_number
      RETURNING d.tenant_id || '/' || d.device_id AS key, d.version`);
    return new Map(changed.rows.map(({ key, version }) => [key, Number(version)]));
  }

  /**
   * Publishes documents that were not, some at a time: of one device, or of all. Rows are held meanwhile, so that of two
   * processes an older document never overtakes a newer one; those that another holds are its to publish.
   *
   * @returns how many were published; fewer than there are when `publish` rejects, which is passed on
   */
  async publishPending(publish: (document: DesiredDocument) => Promise<void>, device?: DeviceAddress): Promise<number> {
    const pending = sql`${desiredRelease.publishedVersion} < ${desiredRelease.version}`;
    const ofDevice =
      device && and(eq(desiredRelease.tenantId, device.tenantId), eq(desiredRelease.deviceId, device.deviceId));
    return inTransaction(this.#options.database, async (tx) => {
      const rows = await tx
        .select()
        .from(desiredRelease)
        .where(and(pending, ofDevice))
        .limit(BATCH)
        .for('update', device ? {} : { skipLocked: true });
      for (const row of rows) {
        await publish(row);
        await tx
          .update(desiredRelease)
          .set({ publishedVersion: row.version })
          .where(and(eq(desiredRelease.tenantId, row.tenantId), eq(desiredRelease.deviceId, row.deviceId)));
      }
      return rows.length;
    });
  }
}
