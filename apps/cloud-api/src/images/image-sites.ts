import type { rest } from '@sightline/contracts';
import { type Database, inTransaction } from '@sightline/database';
import { AppError, type Clock, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { asc, eq } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import type { CloudApiConfig } from '../config.js';
import { DesiredConfigs } from '../devices/desired-configs.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { imageSite } from '../storage/image-schema.js';
import { boxesWithImages, desireAnew } from './desired-images.js';
import { ImageKeys } from './image-keys.js';

/** Of which sites images are kept: of none, until an admin says so. */
@Injectable()
export class ImageSites {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'publicUrl'>,
    private readonly keys: ImageKeys,
    private readonly configs: DesiredConfigs,
    private readonly audit: Audit,
  ) {}

  async list(tenantId: TenantId): Promise<rest.ImageSiteList> {
    const rows = await this.database.db
      .select()
      .from(imageSite)
      .where(eq(imageSite.tenantId, tenantId))
      .orderBy(asc(imageSite.siteId));
    return { items: rows.map(toImageSite) };
  }

  /**
   * Sets what a site keeps, in the place of all that was set before, and tells its boxes.
   *
   * @throws AppError `SEALED_IMAGE.NO_ADDRESS` when it is turned on and boxes could not reach this program
   */
  async put(tenantId: TenantId, siteId: string, { outcomes, ...wanted }: rest.PutImageSite): Promise<rest.ImageSite> {
    if (wanted.enabled && this.config.publicUrl === undefined) {
      throw new AppError('SEALED_IMAGE.NO_ADDRESS', 'Set SIGHTLINE_PUBLIC_URL: boxes upload images there.');
    }
    const changedAt = new Date(this.clock.wallMs());
    const row = { tenantId, siteId, ...wanted, outcomes: [...new Set(outcomes)], changedAt };
    await inTransaction(this.database, async (tx) => {
      await tx
        .insert(imageSite)
        .values(row)
        .onConflictDoUpdate({ target: [imageSite.tenantId, imageSite.siteId], set: row });
      if (wanted.enabled) await this.keys.ensure(tx, tenantId);
      await desireAnew(tx, { tenantId, siteId, now: changedAt });
      const subject = { kind: 'site', id: siteId };
      const action = wanted.enabled ? 'image-site.enable' : 'image-site.disable';
      await this.audit.record(tx, { tenantId, action, subject });
    });
    await this.tellBoxes({ tenantId, siteId });
    return toImageSite(row);
  }

  /** Publishes what is desired of images; a box that is offline learns of it when it comes back. */
  async tellBoxes(which: { readonly tenantId: TenantId; readonly siteId?: string }): Promise<void> {
    for (const address of await boxesWithImages(this.database, which)) await this.configs.publish(address);
  }
}

function toImageSite({ siteId, changedAt, ...row }: Omit<typeof imageSite.$inferSelect, 'tenantId'>): rest.ImageSite {
  const { enabled, outcomes, purpose, minimumQuality, sampleRate, maximumBytesPerDay } = row;
  return {
    ...{ siteId, enabled, outcomes, purpose, minimumQuality, sampleRate, maximumBytesPerDay },
    changedAt: changedAt.toISOString(),
  };
}
