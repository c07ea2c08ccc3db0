import './x509.js';
import * as x509 from '@peculiar/x509';
import type { Database } from '@sightline/database';
import { AppError, type Clock } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, gt, isNotNull, sql } from 'drizzle-orm';

import { CLOCK, DATABASE } from '../platform/tokens.js';
import { certificateRevocation, deviceCertificate, type CertificateEnd } from '../storage/certificate-schema.js';
import { SIGNING, type AuthorityKey } from './authority-key.js';
import { CertificateAuthority } from './certificate-authority.js';

const HOUR_MS = 3_600_000;
/** A list that is older is signed anew, though nothing has changed. */
const FRESH_MS = HOUR_MS;
/** With a list past this, OpenSSL lets nobody in: a broker that cannot fetch a new one has so long. */
const NEXT_UPDATE_MS = 30 * 24 * HOUR_MS;

/** RFC 5280, 5.3.1. */
const reasons: Readonly<Record<CertificateEnd, x509.X509CrlReason>> = {
  superseded: x509.X509CrlReason.superseded,
  're-enrolled': x509.X509CrlReason.superseded,
  lost: x509.X509CrlReason.keyCompromise,
  stolen: x509.X509CrlReason.keyCompromise,
  retired: x509.X509CrlReason.cessationOfOperation,
  unspecified: x509.X509CrlReason.unspecified,
};

interface Revoked {
  readonly serialNumber: string;
  readonly revokedAt: Date | null;
  readonly revocationReason: CertificateEnd | null;
}

interface SignedList {
  /** Which certificates it names. */
  readonly content: string;
  readonly signedAtMs: number;
  readonly pem: string;
}

/** The certificates that are no longer good before their time, for brokers that cannot ask the database. */
@Injectable()
export class RevocationList {
  #last: SignedList | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly authority: CertificateAuthority,
  ) {}

  /** The list in force (RFC 5280, section 5), PEM. */
  async pem(): Promise<string> {
    const nowMs = this.clock.wallMs();
    const revoked = await this.database.db
      .select({
        serialNumber: deviceCertificate.serialNumber,
        revokedAt: deviceCertificate.revokedAt,
        revocationReason: deviceCertificate.revocationReason,
      })
      .from(deviceCertificate)
      .where(and(isNotNull(deviceCertificate.revokedAt), gt(deviceCertificate.notAfter, new Date(nowMs))))
      .orderBy(asc(deviceCertificate.serialNumber));
    const content = revoked.map(({ serialNumber }) => serialNumber).join();
    const isFresh = this.#last?.content === content && nowMs - this.#last.signedAtMs < FRESH_MS;
    if (!isFresh || this.#last === undefined) {
      const pem = await signList(await this.authority.current(), revoked, await this.#nextNumber(), nowMs);
      this.#last = { content, signedAtMs: nowMs, pem };
    }
    return this.#last.pem;
  }

  async #nextNumber(): Promise<number> {
    const [row] = await this.database.db
      .update(certificateRevocation)
      .set({ listNumber: sql`${certificateRevocation.listNumber} + 1` })
      .returning();
    if (row === undefined) throw new AppError('SERVICE.INTERNAL', 'Revocation lists have no number.');
    return row.listNumber;
  }
}

async function signList(
  authority: AuthorityKey,
  revoked: readonly Revoked[],
  number: number,
  nowMs: number,
): Promise<string> {
  const issuer = new x509.X509Certificate(Buffer.from(authority.certificate));
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.subjectName,
    thisUpdate: new Date(nowMs),
    nextUpdate: new Date(nowMs + NEXT_UPDATE_MS),
    signingAlgorithm: SIGNING,
    signingKey: authority.signingKey,
    entries: revoked.map(({ serialNumber, revokedAt, revocationReason }) => {
      const reason = reasons[revocationReason ?? 'unspecified'];
      // The reason "unspecified" is said by saying none (RFC 5280, 5.3.1).
      const told = reason === x509.X509CrlReason.unspecified ? {} : { reason };
      return { serialNumber, revocationDate: revokedAt ?? new Date(nowMs), ...told };
    }),
    extensions: [
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      new x509.Extension('2.5.29.20', false, derInteger(number)),
    ],
  });
  return crlPem(new Uint8Array(list.rawData));
}

/** The PEM text of a list, under the label of RFC 7468, section 6: OpenSSL reads no other. */
function crlPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN X509 CRL-----', ...lines, '-----END X509 CRL-----', ''].join('\n');
}

/** INTEGER of X.690, 8.3: most significant byte first, no sign bit. */
function derInteger(value: number): Uint8Array {
  const hex = value.toString(16);
  const digits = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  const bytes = ((digits[0] ?? 0) & 0x80) === 0 ? digits : Buffer.concat([Buffer.of(0), digits]);
  return Uint8Array.of(0x02, bytes.length, ...bytes);
}
