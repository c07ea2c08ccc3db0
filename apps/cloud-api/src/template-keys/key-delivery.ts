import { X509Certificate } from 'node:crypto';

import type { DeviceAddress } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import type { Clock } from '@sightline/kernel';
import { sealTemplateKey, type DeliveredTemplateKey } from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, gt, isNull } from 'drizzle-orm';

import { CLOCK, DATABASE } from '../platform/tokens.js';
import { deviceCertificate } from '../storage/certificate-schema.js';
import { TemplateKeys } from './template-keys.js';

/** Certificates of a box that count for the delivery: one that was issued, and was not revoked. */
const isGoodCertificate = ({ tenantId, deviceId }: DeviceAddress, now: Date) =>
  and(
    eq(deviceCertificate.tenantId, tenantId),
    eq(deviceCertificate.deviceId, deviceId),
    isNull(deviceCertificate.revokedAt),
    gt(deviceCertificate.notAfter, now),
  );

/** Hands template keys out to boxes, each sealed to the key of its own certificate. */
@Injectable()
export class KeyDelivery {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly templateKeys: TemplateKeys,
  ) {}

  /**
   * The tenant's current key for a box; undefined where it has no certificate (it must be provisioned anew to get the
   * key), and as long as the tenant has its first key, which every box was provisioned with.
   */
  async for(address: DeviceAddress): Promise<DeliveredTemplateKey | undefined> {
    const key = await this.templateKeys.current(address.tenantId);
    if (key.epoch === 1) return undefined;
    const [newest] = await this.database.db
      .select({ certificate: deviceCertificate.certificate })
      .from(deviceCertificate)
      .where(isGoodCertificate(address, new Date(this.clock.wallMs())))
      .orderBy(desc(deviceCertificate.issuedAt))
      .limit(1);
    if (newest === undefined) return undefined;
    return sealTemplateKey(key, address.deviceId, new X509Certificate(newest.certificate).publicKey);
  }
}
