import type { DeviceAddress, rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { isSlug, type DeviceId, type TenantId } from '@sightline/kernel';
import type { ClientCertificate } from '@sightline/messaging';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, isNull, sql } from 'drizzle-orm';

import { DeviceCertificates } from '../device-certificates/device-certificates.js';
import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { digestsEqual, sha256 } from '../platform/digests.js';
import { DATABASE } from '../platform/tokens.js';
import { tenant } from '../storage/access-schema.js';
import { device } from '../storage/schema.js';
import { parseDeviceUsername } from './credentials.js';

type DeviceRow = typeof device.$inferSelect;

/** Who a device is, once its password or certificate was checked. */
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
    private readonly certificates: DeviceCertificates,
  ) {}

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.DevicePage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isSlug);
    const rows = await this.database.db
      .select()
      .from(device)
      .where(
        and(
          eq(device.tenantId, tenantId),
          isNull(device.deletedAt),
          after && sql`(${device.createdAt}, ${device.id}) < (${after.time.toISOString()}::timestamptz, ${after.id})`,
        ),
      )
      .orderBy(desc(device.createdAt), desc(device.id))
      .limit(limit + 1);
    return toPage(rows, limit, { item: toDevice, cursor: ({ createdAt, id }) => ({ time: createdAt, id }) });
  }

  /** Checks a box's MQTT credentials; undefined when they are not valid, or no longer. */
  async verify(username: string, password: string): Promise<DeviceIdentity | undefined> {
    const address = parseDeviceUsername(username);
    if (address === undefined) return undefined;
    const { tenantId, deviceId } = address;
    const [row] = await this.database.db
      .select({ passwordSha256: device.passwordSha256 })
      .from(device)
      .where(and(eq(device.tenantId, tenantId), eq(device.id, deviceId), isNull(device.revokedAt)));
    if (row === undefined || !digestsEqual(row.passwordSha256, sha256(password))) return undefined;
    return this.#letIn(address);
  }

  /** Whose certificate a broker was shown; undefined when it is not valid, or no longer. */
  async verifyCertificate(certificate: ClientCertificate): Promise<DeviceIdentity | undefined> {
    const address = await this.certificates.verify(certificate);
    return address && this.#letIn(address);
  }

  /** Boxes of a tenant that is suspended stay outside, whatever they show. */
  async #letIn(address: DeviceAddress): Promise<DeviceIdentity | undefined> {
    const [open] = await this.database.db
      .select({ id: tenant.id })
      .from(tenant)
      .where(and(eq(tenant.id, address.tenantId), isNull(tenant.suspendedAt)));
    return open && { kind: 'device', ...address };
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
    revoked: row.revokedAt && { at: row.revokedAt.toISOString(), reason: row.revocationReason ?? 'unspecified' },
    createdAt: row.createdAt.toISOString(),
  };
}
