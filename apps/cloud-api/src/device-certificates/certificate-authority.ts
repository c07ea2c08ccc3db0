import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import type { Database } from '@sightline/database';
import { AppError, type Clock } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { isNull } from 'drizzle-orm';

import type { CloudApiConfig } from '../config.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { certificateAuthority } from '../storage/certificate-schema.js';
import { unwrapSecret, wrapSecret } from '../template-keys/key-wrapping.js';
import { authorityFromPem, authorityOf, createAuthority, type AuthorityKey } from './authority-key.js';
import { certificatePem, signServerCertificate } from './certificates.js';

const nameOf = (keyId: string): string => `certificate-authority/${keyId}`;

const DAY_MS = 86_400_000;
/** As long as TLS clients commonly accept of a server. */
const BROKER_DAYS = 825;

/** What a broker's listener with TLS needs, PEM. */
export interface BrokerCertificate {
  readonly certificate: string;
  readonly privateKey: string;
  /** Who signs its clients' certificates, and its own. */
  readonly authority: string;
}

/**
 * The installation's authority for boxes: its own, made at the first use and wrapped in the database, or the one that
 * the operator brought.
 */
@Injectable()
export class CertificateAuthority {
  #current: Promise<AuthorityKey> | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'keyEncryptionKey' | 'certificateAuthority' | 'mqtt'>,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws AppError `CERTIFICATE_AUTHORITY.UNWRAP_FAILED`, `CERTIFICATE_AUTHORITY.INVALID` */
  current(): Promise<AuthorityKey> {
    if (this.#current !== undefined) return this.#current;
    const loading = this.config.certificateAuthority === undefined ? this.#own() : this.#brought();
    this.#current = loading;
    loading.catch(() => (this.#current = undefined));
    return loading;
  }

  /** PEM. */
  async pem(): Promise<string> {
    return certificatePem((await this.current()).certificate);
  }

  /** Whom boxes should trust for the broker, PEM: this authority, and whoever vouches for the broker towards us. */
  async brokerAuthorities(): Promise<string> {
    const configured = this.config.mqtt.tls?.ca;
    const others = configured === undefined ? '' : await pemText(configured);
    const own = await this.pem();
    return others.includes(own.trim()) ? others : `${own}${others}`;
  }

  /**
   * A new key and certificate for a broker that boxes reach under these names.
   *
   * @param names host names and IP addresses
   */
  async brokerCertificate(names: readonly string[]): Promise<BrokerCertificate> {
    const authority = await this.current();
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
    const now = this.clock.wallMs();
    const validity = { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + BROKER_DAYS * DAY_MS) };
    const { certificate } = await signServerCertificate(authority, names, spki, validity);
    return {
      certificate: certificatePem(certificate),
      privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
      authority: await this.pem(),
    };
  }

  async #brought(): Promise<AuthorityKey> {
    const { certificate, key } = this.config.certificateAuthority ?? { certificate: '', key: '' };
    return authorityFromPem(await pemText(certificate), await pemText(key));
  }

  async #own(): Promise<AuthorityKey> {
    const { keyId, certificate, wrappedPrivateKey } = (await this.#read()) ?? (await this.#create());
    try {
      const key = unwrapSecret(wrappedPrivateKey, this.config.keyEncryptionKey, nameOf(keyId));
      return await authorityOf(certificate, createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' }));
    } catch (cause) {
      throw new AppError(
        'CERTIFICATE_AUTHORITY.UNWRAP_FAILED',
        'The key of the certificate authority does not open: it was wrapped with another key-encryption key, or was changed.',
        { cause },
      );
    }
  }

  async #read() {
    const [row] = await this.database.db
      .select()
      .from(certificateAuthority)
      .where(isNull(certificateAuthority.retiredAt));
    return row;
  }

  async #create() {
    const now = this.clock.wallMs();
    const { keyId, certificate, privateKey } = await createAuthority(now);
    const wrappedPrivateKey = wrapSecret(privateKey, this.config.keyEncryptionKey, nameOf(keyId));
    await this.database.db
      .insert(certificateAuthority)
      .values({ keyId, certificate, wrappedPrivateKey, createdAt: new Date(now) })
      .onConflictDoNothing();
    // Another process may have been first: the row decides.
    const row = await this.#read();
    if (row === undefined) throw new AppError('SERVICE.INTERNAL', 'The certificate authority was not stored.');
    return row;
  }
}

/** @param value a path, or the PEM text itself */
async function pemText(value: string): Promise<string> {
  return value.includes('-----BEGIN ') ? value : readFile(value, 'utf8');
}
