import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto';

import { renewalStatement, type DeviceAddress, type rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, type Clock } from '@sightline/kernel';
import { deviceUsername, type ClientCertificate } from '@sightline/messaging';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, isNull, ne } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import type { CloudApiConfig } from '../config.js';
import { digestsEqual, sha256 } from '../platform/digests.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { deviceCertificate, type CertificateEnd } from '../storage/certificate-schema.js';
import { device } from '../storage/schema.js';
import { CertificateAuthority } from './certificate-authority.js';
import { certificatePem, readRequest, signDeviceCertificate, type CertificateRequest } from './certificates.js';

type CertificateRow = typeof deviceCertificate.$inferSelect;
type Proof = Pick<CertificateRow, 'enrolledBy' | 'renewalOf'>;

const DEFAULT_LIFETIME_MS = 90 * 86_400_000;
/** Boxes begin to renew here, and have as long again for it. */
const RENEW_AT = 0.5;
/** Of a lifetime, and 5 minutes at most: a broker's clock may be behind ours. */
const BACKDATED = { share: 0.05, maximumMs: 300_000 };

/** Certificates of boxes: given for an enrolment token, then for the certificate before. */
@Injectable()
export class DeviceCertificates {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'deviceCertificateMs'>,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly authority: CertificateAuthority,
    private readonly audit: Audit,
  ) {}

  /**
   * Gives a box the certificate for which it was registered. What it had before ends. The same request again, whose
   * answer was lost, has the same answer; another key with the same token has none.
   *
   * @throws AppError `ENROLMENT_TOKEN.INVALID`, `CERTIFICATE.REQUEST_INVALID`
   */
  async enrol({ token, certificateRequest }: rest.EnrolCertificate): Promise<rest.IssuedCertificate> {
    const request = await readRequest(certificateRequest);
    const enrolledBy = sha256(token);
    const issued = await inTransaction(this.database, async (tx) => {
      const now = this.#now();
      const [box] = await tx.select().from(device).where(eq(device.enrolmentTokenSha256, enrolledBy)).for('update');
      const isOpen = box?.enrolmentExpiresAt != null && box.enrolmentExpiresAt > now && box.revokedAt === null;
      if (!isOpen) throw invalidToken();
      const address = { tenantId: box.tenantId, deviceId: box.id };
      const [used] = await tx.select().from(deviceCertificate).where(eq(deviceCertificate.enrolledBy, enrolledBy));
      if (used !== undefined) {
        if (used.revokedAt !== null || !isFor(used, request)) throw invalidToken();
        return used;
      }
      await this.#end(tx, address, 're-enrolled');
      return this.#issue(tx, address, request, { enrolledBy, renewalOf: null });
    });
    return this.#answer(issued);
  }

  /**
   * Gives a box the certificate after the one it runs on. Until the new one is renewed in its turn both are valid, so
   * that a box that loses the answer loses nothing.
   *
   * @throws AppError `CERTIFICATE.NOT_RENEWABLE`, `CERTIFICATE.REQUEST_INVALID`
   */
  async renew({ serialNumber, certificateRequest, proof }: rest.RenewCertificate): Promise<rest.IssuedCertificate> {
    const request = await readRequest(certificateRequest);
    const renewalOf = serialNumber.toLowerCase();
    const issued = await inTransaction(this.database, async (tx) => {
      const [known] = await tx.select().from(deviceCertificate).where(eq(deviceCertificate.serialNumber, renewalOf));
      if (known === undefined || !provesPossession(known, request, proof)) throw notRenewable();
      // From here on the box is known; its row orders renewals, enrolment and revocation.
      const address = { tenantId: known.tenantId, deviceId: known.deviceId };
      const [box] = await tx.select().from(device).where(isBox(address)).for('update');
      const [running] = await tx.select().from(deviceCertificate).where(eq(deviceCertificate.serialNumber, renewalOf));
      if (box?.revokedAt !== null || running?.revokedAt !== null) throw notRenewable();
      if (running.notAfter <= this.#now()) throw notRenewable();
      const [before] = await tx
        .select()
        .from(deviceCertificate)
        .where(and(eq(deviceCertificate.renewalOf, renewalOf), isNull(deviceCertificate.revokedAt)));
      if (before !== undefined && isFor(before, request)) return before;
      await this.#end(tx, address, 'superseded', renewalOf);
      return this.#issue(tx, address, request, { enrolledBy: null, renewalOf });
    });
    return this.#answer(issued);
  }

  /** Whose certificate it is, as long as it is valid; undefined otherwise. */
  async verify({ serialNumber, fingerprint256 }: ClientCertificate): Promise<DeviceAddress | undefined> {
    const [row] = await this.database.db
      .select({ certificate: deviceCertificate, revokedAt: device.revokedAt })
      .from(deviceCertificate)
      .innerJoin(
        device,
        and(eq(device.tenantId, deviceCertificate.tenantId), eq(device.id, deviceCertificate.deviceId)),
      )
      .where(eq(deviceCertificate.serialNumber, serialNumber.toLowerCase()));
    if (row?.revokedAt !== null || row.certificate.revokedAt !== null) return undefined;
    const { certificate, notAfter, tenantId, deviceId } = row.certificate;
    const isSame = createHash('sha256').update(certificate).digest('hex') === fingerprint256.toLowerCase();
    return isSame && notAfter > this.#now() ? { tenantId, deviceId } : undefined;
  }

  /**
   * Every certificate of a box, in the order in which they were issued.
   *
   * @throws AppError `DEVICE.NOT_FOUND`
   */
  async list(address: DeviceAddress): Promise<rest.DeviceCertificateList> {
    const [box] = await this.database.db
      .select({ deletedAt: device.deletedAt })
      .from(device)
      .where(and(isBox(address), isNull(device.deletedAt)));
    if (box === undefined) throw new AppError('DEVICE.NOT_FOUND', 'There is no such device.');
    const rows = await this.database.db
      .select()
      .from(deviceCertificate)
      .where(ofBox(address))
      .orderBy(asc(deviceCertificate.issuedAt), asc(deviceCertificate.serialNumber));
    return { items: rows.map(toItem) };
  }

  /** Ends every certificate of a box, in the transaction that revokes it. */
  async revokeAll(tx: Transaction, address: DeviceAddress, reason: rest.RevocationReason): Promise<void> {
    await this.#end(tx, address, reason);
  }

  async #end(tx: Transaction, address: DeviceAddress, reason: CertificateEnd, except = ''): Promise<void> {
    await tx
      .update(deviceCertificate)
      .set({ revokedAt: this.#now(), revocationReason: reason })
      .where(and(ofBox(address), isNull(deviceCertificate.revokedAt), ne(deviceCertificate.serialNumber, except)));
  }

  async #issue(
    tx: Transaction,
    address: DeviceAddress,
    { publicKey }: CertificateRequest,
    proof: Proof,
  ): Promise<CertificateRow> {
    const authority = await this.authority.current();
    const now = this.clock.wallMs();
    const lifetimeMs = this.config.deviceCertificateMs ?? DEFAULT_LIFETIME_MS;
    const backdatedMs = Math.min(BACKDATED.maximumMs, lifetimeMs * BACKDATED.share);
    const validity = { notBefore: new Date(now - backdatedMs), notAfter: new Date(now + lifetimeMs) };
    const signed = await signDeviceCertificate(authority, deviceUsername(address), publicKey, validity);
    const [row] = await tx
      .insert(deviceCertificate)
      .values({
        ...{ ...address, ...signed, ...proof, authorityKeyId: authority.keyId },
        ...{ publicKeySha256: sha256(publicKey), issuedAt: new Date(now) },
      })
      .returning();
    if (row === undefined) throw new AppError('SERVICE.INTERNAL', 'The certificate was not stored.');
    const { tenantId, deviceId } = address;
    const [actor, subject] = [`device:${deviceId}`, { kind: 'device', id: deviceId }];
    await this.audit.record(tx, { tenantId, actor, action: 'device.certificate', subject });
    return row;
  }

  async #answer({ certificate, notBefore, notAfter }: CertificateRow): Promise<rest.IssuedCertificate> {
    const renewAfter = notBefore.getTime() + RENEW_AT * (notAfter.getTime() - notBefore.getTime());
    return {
      certificate: certificatePem(certificate),
      authorities: await this.authority.brokerAuthorities(),
      renewAfter: new Date(renewAfter).toISOString(),
      expiresAt: notAfter.toISOString(),
    };
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}

const ofBox = ({ tenantId, deviceId }: DeviceAddress) =>
  and(eq(deviceCertificate.tenantId, tenantId), eq(deviceCertificate.deviceId, deviceId));
const isBox = ({ tenantId, deviceId }: DeviceAddress) => and(eq(device.tenantId, tenantId), eq(device.id, deviceId));

const isFor = ({ publicKeySha256 }: CertificateRow, { publicKey }: CertificateRequest): boolean =>
  digestsEqual(publicKeySha256, sha256(publicKey));

/** Whether the sender of a request holds the key of the certificate that is to be renewed. */
function provesPossession(running: CertificateRow, { request }: CertificateRequest, proof: string): boolean {
  const spki = new X509Certificate(Buffer.from(running.certificate)).publicKey.export({ format: 'der', type: 'spki' });
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  return verify('sha256', renewalStatement(running.serialNumber, request), key, Buffer.from(proof, 'base64'));
}

// One sentence for every reason: who has no right to the answer learns nothing from it.
const invalidToken = (): AppError =>
  new AppError('ENROLMENT_TOKEN.INVALID', 'The token is unknown, used or expired: have the device enrolled anew.');
const notRenewable = (): AppError =>
  new AppError(
    'CERTIFICATE.NOT_RENEWABLE',
    'The certificate is unknown, expired or revoked, or the proof is not by its key: have the device enrolled anew.',
  );

function toItem(row: CertificateRow): rest.DeviceCertificateList['items'][number] {
  const { serialNumber, notBefore, notAfter, enrolledBy, issuedAt, revokedAt, revocationReason } = row;
  return {
    serialNumber,
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    issuedBy: enrolledBy === null ? 'renewal' : 'enrolment',
    issuedAt: issuedAt.toISOString(),
    revoked: revokedAt === null ? null : { at: revokedAt.toISOString(), reason: revocationReason ?? 'unspecified' },
  };
}
