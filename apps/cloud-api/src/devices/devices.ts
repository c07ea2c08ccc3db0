import type { rest } from '@sightline/contracts';
import { isUniqueViolation, type Database } from '@sightline/database';
import { AppError, isSlug, type Clock, type DeviceId, type TenantId } from '@sightline/kernel';
import { deviceUsername } from '@sightline/messaging';
import { templateKeyId } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, sql } from 'drizzle-orm';

import { digestsEqual, sha256 } from '../access/api-key.js';
import type { CloudApiConfig } from '../config.js';
import { GallerySigningKeys } from '../edge-caches/gallery-signing-keys.js';
import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { device } from '../storage/schema.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { newDevicePassword, parseDeviceUsername } from './credentials.js';
import { DesiredConfigs } from './desired-configs.js';

type DeviceRow = typeof device.$inferSelect;

/** Who a device is, once its password was checked. */
export interface DeviceIdentity {
  readonly kind: 'device';
  readonly tenantId: TenantId;
  readonly deviceId: DeviceId;
}

/** The boxes of a tenant and their credentials. */
@Injectable()
export class Devices {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CONFIG) private readonly config: CloudApiConfig,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly templateKeys: TemplateKeys,
    private readonly desiredConfigs: DesiredConfigs,
    private readonly gallerySigningKeys: GallerySigningKeys,
  ) {}

  /**
   * Registers a box.
   *
   * @returns everything that it needs to join; its password is shown this once
   * @throws AppError `DEVICE.ALREADY_EXISTS`
   */
  async create(tenantId: TenantId, { id, siteId }: rest.CreateDevice): Promise<rest.Provisioning> {
    const deviceId = id as DeviceId;
    const password = newDevicePassword();
    const key = await this.templateKeys.current(tenantId);
    const gallery = await this.gallerySigningKeys.current();
    try {
      await this.database.db.insert(device).values({
        tenantId,
        id: deviceId,
        siteId,
        passwordSha256: sha256(password),
        createdAt: new Date(this.clock.wallMs()),
      });
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new AppError('DEVICE.ALREADY_EXISTS', 'A device with this id exists.', { cause: error });
    }
    await this.desiredConfigs.publish({ tenantId, deviceId });
    const { mqtt, repositoryUrl, publicRepositoryUrl, trustedRoot } = this.config;
    return {
      tenantId,
      deviceId,
      siteId,
      mqtt: { url: mqtt.publicUrl ?? mqtt.url, username: deviceUsername({ tenantId, deviceId }), password },
      templateKey: {
        keyId: templateKeyId(key),
        epoch: key.epoch,
        secret: Buffer.from(key.secret).toString('base64'),
      },
      release: {
        repositoryUrl: publicRepositoryUrl ?? repositoryUrl,
        trustedRoot: Buffer.from(trustedRoot).toString('base64'),
      },
      gallery: { signingKeyId: gallery.keyId, signingKey: Buffer.from(gallery.publicKey).toString('base64') },
    };
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.DevicePage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isSlug);
    const rows = await this.database.db
      .select()
      .from(device)
      .where(
        and(
          eq(device.tenantId, tenantId),
          after && sql`(${device.createdAt}, ${device.id}) < (${after.time.toISOString()}::timestamptz, ${after.id})`,
        ),
      )
      .orderBy(desc(device.createdAt), desc(device.id))
      .limit(limit + 1);
    return toPage(rows, limit, { item: toDevice, cursor: ({ createdAt, id }) => ({ time: createdAt, id }) });
  }

  /** Checks a box's MQTT credentials; undefined when they are not valid. */
  async verify(username: string, password: string): Promise<DeviceIdentity | undefined> {
    const address = parseDeviceUsername(username);
    if (address === undefined) return undefined;
    const { tenantId, deviceId } = address;
    const [row] = await this.database.db
      .select({ passwordSha256: device.passwordSha256 })
      .from(device)
      .where(and(eq(device.tenantId, tenantId), eq(device.id, deviceId)));
    const digest = sha256(password);
    return row !== undefined && digestsEqual(row.passwordSha256, digest) ? { kind: 'device', ...address } : undefined;
  }
}

/** What a device's row shows. */
export function toDevice(row: DeviceRow): rest.Device {
  const { releaseVersion: version, releaseDigest: digest, modelSpace, releaseStatus: status, releaseError } = row;
  return {
    id: row.id,
    siteId: row.siteId,
    online: row.online,
    lastSeenAt: row.lastSeenAt?.toISOString() ?? null,
    agentVersion: row.agentVersion,
    provider: row.provider,
    release: version !== null && digest !== null && modelSpace !== null ? { version, digest, modelSpace } : null,
    releaseUpdate: status === null ? null : { status, error: releaseError },
    createdAt: row.createdAt.toISOString(),
  };
}
