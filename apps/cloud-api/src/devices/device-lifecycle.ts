import type { Channel, DeviceAddress, rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, type Clock } from '@sightline/kernel';
import type { AuditEntry } from '@sightline/rest-server';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, isNull } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { DeviceCertificates } from '../device-certificates/device-certificates.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { device } from '../storage/schema.js';
import { endCommands } from './commands/end-commands.js';
import { DesiredConfigs } from './desired-configs.js';
import { DeviceLink } from './device-link.js';
import { Provisionings, type NewCredentials } from './provisionings.js';
import { RevokedDevices } from './revoked-devices.js';

const desiredChannels: readonly Channel[] = ['desired/config', 'desired/release'];
/** All that a broker keeps of a box. */
const retainedChannels: readonly Channel[] = [...desiredChannels, 'status', 'state/reported'];

/** How a box joins, leaves, and comes back. */
@Injectable()
export class DeviceLifecycle {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly provisionings: Provisionings,
    private readonly certificates: DeviceCertificates,
    private readonly desiredConfigs: DesiredConfigs,
    private readonly link: DeviceLink,
    private readonly revoked: RevokedDevices,
    private readonly audit: Audit,
  ) {}

  /**
   * Registers a box. The id of one that was deleted may be used again; what that one has recorded stays under it.
   *
   * @returns everything that it needs to join; the secrets are shown this once
   * @throws AppError `DEVICE.ALREADY_EXISTS`
   */
  async create(address: DeviceAddress, siteId: string): Promise<rest.Provisioning> {
    const credentials = this.provisionings.newCredentials();
    await inTransaction(this.database, async (tx) => {
      const [row] = await tx.select({ deletedAt: device.deletedAt }).from(device).where(isBox(address)).for('update');
      if (row?.deletedAt === null) throw alreadyExists();
      const createdAt = this.#now();
      if (row === undefined) {
        const { tenantId, deviceId: id } = address;
        const values = { tenantId, id, siteId, createdAt, ...credentials.stored };
        const inserted = await tx.insert(device).values(values).onConflictDoNothing().returning({ id: device.id });
        if (inserted.length === 0) throw alreadyExists();
      } else await admit(tx, address, credentials, { siteId, createdAt, deletedAt: null });
      await this.#record(tx, address, 'device.create');
    });
    await this.desiredConfigs.publish(address);
    return this.provisionings.of(address, siteId, credentials);
  }

  /**
   * Gives a box new credentials in the place of those it had, and lets it in again if it was revoked. Certificates of
   * before end with the first new one, the password at once.
   *
   * @throws AppError `DEVICE.NOT_FOUND`
   */
  async enrol(address: DeviceAddress): Promise<rest.Provisioning> {
    const credentials = this.provisionings.newCredentials();
    const { siteId } = await inTransaction(this.database, async (tx) => {
      const row = await lock(tx, address);
      await admit(tx, address, credentials, {});
      await this.#record(tx, address, 'device.enrol');
      return row;
    });
    await this.desiredConfigs.publish(address);
    return this.provisionings.of(address, siteId, credentials);
  }

  /**
   * Lets a box in nowhere any more, by its password or by any certificate, cuts its connection, and ends its commands.
   * A second time changes nothing.
   *
   * @throws AppError `DEVICE.NOT_FOUND`
   */
  async revoke(address: DeviceAddress, reason: rest.RevocationReason): Promise<void> {
    await inTransaction(this.database, async (tx) => {
      const { revokedAt } = await lock(tx, address);
      if (revokedAt !== null) return;
      await this.#revoke(tx, address, reason);
      await this.#record(tx, address, 'device.revoke');
    });
    await this.revoked.expel(address);
    await this.link.clear(address, desiredChannels);
  }

  /**
   * Revokes a box, shows it no longer, and has the broker forget it. What it has recorded stays, as does the record of
   * the people whom it may hold.
   *
   * @throws AppError `DEVICE.NOT_FOUND`
   */
  async delete(address: DeviceAddress): Promise<void> {
    await inTransaction(this.database, async (tx) => {
      const { revokedAt } = await lock(tx, address);
      if (revokedAt === null) await this.#revoke(tx, address, 'retired');
      await tx.update(device).set({ deletedAt: this.#now() }).where(isBox(address));
      await this.#record(tx, address, 'device.delete');
    });
    await this.revoked.expel(address);
    await this.link.clear(address, retainedChannels);
  }

  async #revoke(tx: Transaction, address: DeviceAddress, reason: rest.RevocationReason): Promise<void> {
    const revocation = { revokedAt: this.#now(), revocationReason: reason, online: false };
    await tx
      .update(device)
      .set({ ...revocation, enrolmentTokenSha256: null, enrolmentExpiresAt: null })
      .where(isBox(address));
    await this.certificates.revokeAll(tx, address, reason);
    await endCommands(tx, address, this.#now());
  }

  /** Last in each transaction: other changes of the tenant wait from here on. */
  async #record(tx: Transaction, { tenantId, deviceId }: DeviceAddress, action: AuditEntry['action']): Promise<void> {
    await this.audit.record(tx, { tenantId, action, subject: { kind: 'device', id: deviceId } });
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}

const isBox = ({ tenantId, deviceId }: DeviceAddress) => and(eq(device.tenantId, tenantId), eq(device.id, deviceId));

const alreadyExists = (): AppError => new AppError('DEVICE.ALREADY_EXISTS', 'A device with this id exists.');

async function lock(tx: Transaction, address: DeviceAddress) {
  const [row] = await tx
    .select({ siteId: device.siteId, revokedAt: device.revokedAt })
    .from(device)
    .where(and(isBox(address), isNull(device.deletedAt)))
    .for('update');
  if (row === undefined) throw new AppError('DEVICE.NOT_FOUND', 'There is no such device.');
  return row;
}

async function admit(
  tx: Transaction,
  address: DeviceAddress,
  { stored }: NewCredentials,
  changes: Partial<typeof device.$inferInsert>,
): Promise<void> {
  await tx
    .update(device)
    .set({ ...changes, ...stored, revokedAt: null, revocationReason: null })
    .where(isBox(address));
}
