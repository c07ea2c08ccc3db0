import type { Database, Transaction } from '@sightline/database';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { and, asc, eq } from 'drizzle-orm';

import { edgeCache, edgeCacheErasure, erasure } from '../storage/edge-cache-schema.js';
import { erasureGallery } from '../storage/privacy-schema.js';

export type ErasureRow = typeof erasure.$inferSelect;
export type ErasureGalleryRow = typeof erasureGallery.$inferSelect;

/** Which erasure. */
export interface ErasureKey {
  readonly tenantId: TenantId;
  readonly id: string;
}

/** A box that held, or may have held, the person. */
export interface EdgeCacheErasureView {
  readonly deviceId: DeviceId;
  readonly sentAt: Date | null;
  readonly confirmedAt: Date | null;
  readonly leaseExpiresAt: Date | null;
}

type Reader = Transaction | Database['db'];

export const isErasure = ({ tenantId, id }: ErasureKey) => and(eq(erasure.tenantId, tenantId), eq(erasure.id, id));

export function galleriesOf(db: Reader, { tenantId, id }: ErasureKey): Promise<ErasureGalleryRow[]> {
  return db
    .select()
    .from(erasureGallery)
    .where(and(eq(erasureGallery.tenantId, tenantId), eq(erasureGallery.erasureId, id)))
    .orderBy(asc(erasureGallery.galleryId));
}

export function partsOf(db: Reader, { tenantId, id }: ErasureKey): Promise<ErasureRow[]> {
  return db
    .select()
    .from(erasure)
    .where(and(eq(erasure.tenantId, tenantId), eq(erasure.partOf, id)))
    .orderBy(asc(erasure.id));
}

export function devicesOf(db: Reader, { tenantId, id }: ErasureKey): Promise<EdgeCacheErasureView[]> {
  return db
    .select({
      deviceId: edgeCacheErasure.deviceId,
      sentAt: edgeCacheErasure.sentAt,
      confirmedAt: edgeCacheErasure.confirmedAt,
      leaseExpiresAt: edgeCache.leaseExpiresAt,
    })
    .from(edgeCacheErasure)
    .leftJoin(
      edgeCache,
      and(eq(edgeCache.tenantId, edgeCacheErasure.tenantId), eq(edgeCache.deviceId, edgeCacheErasure.deviceId)),
    )
    .where(and(eq(edgeCacheErasure.tenantId, tenantId), eq(edgeCacheErasure.erasureId, id)))
    .orderBy(asc(edgeCacheErasure.deviceId));
}
