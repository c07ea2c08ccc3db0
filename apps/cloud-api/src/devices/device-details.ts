import type { DeviceAddress, rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, count, eq, isNull, sum } from 'drizzle-orm';

import { DATABASE } from '../platform/tokens.js';
import { device, ingestGap } from '../storage/schema.js';
import { toDevice } from './devices.js';
import { FleetHealth } from './health/fleet-health.js';

/** All that is known of one box. */
@Injectable()
export class DeviceDetails {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly health: FleetHealth,
  ) {}

  /** @throws AppError `DEVICE.NOT_FOUND` */
  async get(address: DeviceAddress): Promise<rest.DeviceDetail> {
    const { tenantId, deviceId } = address;
    const [row] = await this.database.db
      .select()
      .from(device)
      .where(and(eq(device.tenantId, tenantId), eq(device.id, deviceId), isNull(device.deletedAt)));
    if (row === undefined) throw new AppError('DEVICE.NOT_FOUND', 'There is no such device.');
    const [gaps] = await this.database.db
      .select({ gaps: count(), lost: sum(ingestGap.lostRecords) })
      .from(ingestGap)
      .where(and(eq(ingestGap.tenantId, tenantId), eq(ingestGap.deviceId, deviceId)));
    const { configVersionSeen: version, configStatus: status, configError: error } = row;
    return {
      ...toDevice(row),
      configUpdate: version === null || status === null ? null : { version, status, error },
      delivery: { gaps: gaps?.gaps ?? 0, lostRecords: Number(gaps?.lost ?? 0) },
      health: await this.health.last(address),
    };
  }
}
