import { DesiredConfigSchema, SCHEMA_VERSION, type DeviceAddress } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { errorMessage, type Logger } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq } from 'drizzle-orm';

import { DATABASE, LOGGER } from '../platform/tokens.js';
import { device } from '../storage/schema.js';
import { DeviceLink } from './device-link.js';

/** The one writer of `desired/config`. The database holds the document; the broker's copy may be lost. */
@Injectable()
export class DesiredConfigs {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly link: DeviceLink,
  ) {}

  /** Publishes a box's document, retained. Without a broker it is left to the box's next birth. */
  async publish(address: DeviceAddress): Promise<void> {
    const { tenantId, deviceId } = address;
    const [row] = await this.database.db
      .select({ siteId: device.siteId, version: device.configVersion })
      .from(device)
      .where(and(eq(device.tenantId, tenantId), eq(device.id, deviceId)));
    if (row === undefined) return;
    try {
      await this.link.send(address, 'desired/config', DesiredConfigSchema, {
        schemaVersion: SCHEMA_VERSION,
        version: BigInt(row.version),
        siteId: row.siteId,
      });
    } catch (error) {
      this.log.warn({ tenantId, deviceId, error: errorMessage(error) }, 'desired/config could not be published');
    }
  }
}
