import type { DeviceAddress, SealedImages } from '@sightline/contracts';
import type { Database, Transaction } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { and, eq, inArray, isNull, sql } from 'drizzle-orm';

import { imageKey, imageSite } from '../storage/image-schema.js';
import { device } from '../storage/schema.js';

type Desired = Omit<SealedImages, '$typeName' | '$unknown'>;

/** What a box is desired to do with images; undefined: to keep none. @param publicUrl where boxes reach this program */
export async function desiredImages(
  { db }: Database,
  { tenantId, siteId }: { readonly tenantId: TenantId; readonly siteId: string },
  publicUrl: string | undefined,
): Promise<Desired | undefined> {
  if (publicUrl === undefined) return undefined;
  const { minimumQuality, sampleRate, maximumBytesPerDay } = imageSite;
  const [row] = await db
    .select({ minimumQuality, sampleRate, maximumBytesPerDay, publicKey: imageKey.publicKey })
    .from(imageSite)
    .innerJoin(imageKey, and(eq(imageKey.tenantId, imageSite.tenantId), isNull(imageKey.supersededAt)))
    .where(and(eq(imageSite.tenantId, tenantId), eq(imageSite.siteId, siteId), eq(imageSite.enabled, true)));
  return row && { ...row, uploadUrl: publicUrl };
}

/** Lets boxes take what is desired of images: of one site, or of all that keep some. */
export async function desireAnew(
  tx: Transaction,
  { tenantId, siteId, now }: { readonly tenantId: TenantId; readonly siteId?: string; readonly now: Date },
): Promise<void> {
  const sites = tx
    .select({ siteId: imageSite.siteId })
    .from(imageSite)
    .where(and(eq(imageSite.tenantId, tenantId), eq(imageSite.enabled, true)));
  await tx
    .update(device)
    .set({ configVersion: sql`${device.configVersion} + 1`, configChangedAt: now })
    .where(
      and(
        eq(device.tenantId, tenantId),
        isNull(device.revokedAt),
        siteId === undefined ? inArray(device.siteId, sites) : eq(device.siteId, siteId),
      ),
    );
}

/** The boxes that {@link desireAnew} means. */
export async function boxesWithImages(
  { db }: Database,
  { tenantId, siteId }: { readonly tenantId: TenantId; readonly siteId?: string },
): Promise<readonly DeviceAddress[]> {
  const rows = await db
    .selectDistinct({ deviceId: device.id })
    .from(device)
    .innerJoin(imageSite, and(eq(imageSite.tenantId, device.tenantId), eq(imageSite.siteId, device.siteId)))
    .where(
      and(
        eq(device.tenantId, tenantId),
        isNull(device.revokedAt),
        siteId === undefined ? eq(imageSite.enabled, true) : eq(device.siteId, siteId),
      ),
    );
  return rows.map(({ deviceId }) => ({ tenantId, deviceId }));
}
