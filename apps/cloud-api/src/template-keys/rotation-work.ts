import type { Database } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { defineTrigger, type Jobs } from '@sightline/jobs';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, isNull } from 'drizzle-orm';

import { DesiredConfigs } from '../devices/desired-configs.js';
import { DATABASE, JOBS } from '../platform/tokens.js';
import { device } from '../storage/schema.js';
import { KeyRotation } from './key-rotation.js';

const advanceRotations = defineTrigger('template-keys-advance');
/** How often it is looked whether templates are left under old keys, or keys are to be destroyed, ms. */
const ADVANCE_MS = 60_000;

/** What follows a rotation in the background. What is lost of it, the schedule finds and a box's birth brings. */
@Injectable()
export class RotationWork {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(JOBS) private readonly jobs: Jobs,
    private readonly desiredConfigs: DesiredConfigs,
    rotation: KeyRotation,
  ) {
    jobs.handle(advanceRotations, ({ signal }) => rotation.advance(signal));
    jobs.schedule(advanceRotations, { everyMs: ADVANCE_MS });
  }

  /** Has templates follow the new key at once, and tells the boxes of it. */
  async begin(tenantId: TenantId): Promise<void> {
    await this.jobs.enqueue(advanceRotations, {}, { id: 'rotated' });
    const boxes = await this.database.db
      .select({ deviceId: device.id })
      .from(device)
      .where(and(eq(device.tenantId, tenantId), isNull(device.revokedAt)));
    for (const { deviceId } of boxes) await this.desiredConfigs.publish({ tenantId, deviceId });
  }
}
