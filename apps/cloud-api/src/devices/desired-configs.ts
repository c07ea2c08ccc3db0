import { DesiredConfigSchema, SCHEMA_VERSION, type DeviceAddress, type rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, errorMessage, type Clock, type Logger } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, isNull } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { notifyEdgeCaches } from '../edge-caches/erasures.js';
import type { CloudApiConfig } from '../config.js';
import { desiredImages } from '../images/desired-images.js';
import { CLOCK, CONFIG, DATABASE, LOGGER } from '../platform/tokens.js';
import { edgeCache } from '../storage/edge-cache-schema.js';
import { device } from '../storage/schema.js';
import { KeyDelivery } from '../template-keys/key-delivery.js';
import { DeviceLink } from './device-link.js';

type DeviceRow = typeof device.$inferSelect;

/** The one writer of `desired/config`. The database holds the document; the broker's copy may be lost. */
@Injectable()
export class DesiredConfigs {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'publicUrl'>,
    private readonly link: DeviceLink,
    private readonly keyDelivery: KeyDelivery,
    private readonly audit: Audit,
  ) {}

  /** @throws AppError `DEVICE.NOT_FOUND` */
  async get(address: DeviceAddress): Promise<rest.DesiredConfig> {
    const [row] = await this.database.db.select().from(device).where(isShown(address));
    if (row === undefined) throw notFound();
    return toDesiredConfig(row);
  }

  /**
   * Desires something of a box in the place of all that was desired before. The box's site is another at once: what it
   * sees from then on, and whom it knows, is that site's.
   *
   * @throws AppError `DEVICE.NOT_FOUND`, `DEVICE.CONFIG_CHANGED`, `DEVICE.REVOKED`
   */
  async put(address: DeviceAddress, wanted: rest.PutDesiredConfig): Promise<rest.DesiredConfig> {
    const { settings, basedOnVersion } = wanted;
    const changed = await inTransaction(this.database, async (tx) => {
      const [before] = await tx.select().from(device).where(isShown(address)).for('update');
      if (before === undefined) throw notFound();
      if (before.revokedAt !== null) throw new AppError('DEVICE.REVOKED', 'Nothing is desired of a revoked device.');
      if (basedOnVersion !== undefined && basedOnVersion !== before.configVersion) {
        throw new AppError('DEVICE.CONFIG_CHANGED', `Version ${before.configVersion} is in force.`);
      }
      const siteId = wanted.siteId ?? before.siteId;
      const [after] = await tx
        .update(device)
        .set({
          ...{ siteId, desiredSettings: settings, configVersion: before.configVersion + 1 },
          configChangedAt: new Date(this.clock.wallMs()),
        })
        .where(isShown(address))
        .returning();
      if (siteId !== before.siteId) await planAnew(tx, address);
      const subject = { kind: 'device', id: address.deviceId };
      await this.audit.record(tx, { tenantId: address.tenantId, action: 'device.configure', subject });
      return after ?? before;
    });
    await this.publish(address);
    return toDesiredConfig(changed);
  }

  /** Publishes a box's document, retained. Without a broker it is left to the box's next birth. */
  async publish(address: DeviceAddress): Promise<void> {
    const { tenantId, deviceId } = address;
    const [row] = await this.database.db
      .select({ siteId: device.siteId, version: device.configVersion, settings: device.desiredSettings })
      .from(device)
      .where(and(isShown(address), isNull(device.revokedAt)));
    if (row === undefined) return;
    const templateKey = await this.keyDelivery.for(address);
    const sealedImages = await desiredImages(this.database, { tenantId, ...row }, this.config.publicUrl);
    try {
      await this.link.send(address, 'desired/config', DesiredConfigSchema, {
        ...{ schemaVersion: SCHEMA_VERSION, version: BigInt(row.version), siteId: row.siteId },
        ...row.settings,
        ...(templateKey && { templateKey }),
        ...(sealedImages && { sealedImages }),
      });
    } catch (error) {
      this.log.warn({ tenantId, deviceId, error: errorMessage(error) }, 'desired/config could not be published');
    }
  }
}

const isShown = ({ tenantId, deviceId }: DeviceAddress) =>
  and(eq(device.tenantId, tenantId), eq(device.id, deviceId), isNull(device.deletedAt));

const notFound = (): AppError => new AppError('DEVICE.NOT_FOUND', 'There is no such device.');

/** Another site needs other people. */
async function planAnew(tx: Transaction, { tenantId, deviceId }: DeviceAddress): Promise<void> {
  await tx
    .update(edgeCache)
    .set({ plannedAt: null })
    .where(and(eq(edgeCache.tenantId, tenantId), eq(edgeCache.deviceId, deviceId)));
  await notifyEdgeCaches(tx);
}

function toDesiredConfig(row: DeviceRow): rest.DesiredConfig {
  const { configVersionSeen: version, configStatus: status, configError: error, configErrors: errors } = row;
  return {
    version: row.configVersion,
    siteId: row.siteId,
    settings: row.desiredSettings,
    changedAt: row.configChangedAt?.toISOString() ?? null,
    reported: version === null || status === null ? null : { version, status, error, errors: [...errors] },
  };
}
