import { createPublicKey, type KeyObject } from 'node:crypto';

import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, type Clock } from '@sightline/kernel';
import {
  INSTALLATION_AUDIENCE,
  INSTALLATION_ISSUER,
  INSTALLATION_SKEW_SECONDS,
  invalidToken,
  type RequestCaller,
} from '@sightline/rest-server';
import { Inject, Injectable } from '@nestjs/common';
import { asc } from 'drizzle-orm';
import { createLocalJWKSet, exportJWK, jwtVerify, SignJWT } from 'jose';

import type { CloudApiConfig } from '../config.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { tokenSigningKey } from '../storage/access-schema.js';
import { newSigningKey, unwrapSigningKey } from '../template-keys/wrapped-signing-key.js';

const ALGORITHM = 'EdDSA';
/** How long a token lasts, s: what a program that only verifies them needs at most to hear of a revoked key. */
const LIFETIME_SECONDS = 900;

interface SigningKey {
  readonly keyId: string;
  readonly privateKey: KeyObject;
  readonly jwks: rest.Jwks;
}

const USE = 'token-signing-key';

/** Short-lived tokens that stand for an API key, for programs that cannot ask for it: they verify them by our keys. */
@Injectable()
export class IssuedTokens {
  #loaded: Promise<SigningKey> | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'keyEncryptionKey'>,
    @Inject(CLOCK) private readonly clock: Pick<Clock, 'wallMs'>,
  ) {}

  /** A token that says what the caller's API key does. */
  async issue({ tenantId, actor, roles, deviceId }: RequestCaller): Promise<rest.IssuedToken> {
    const { keyId, privateKey } = await this.#load();
    const issuedAt = Math.floor(this.clock.wallMs() / 1000);
    const accessToken = await new SignJWT({ tenant: tenantId, role: [...roles], ...(deviceId && { device: deviceId }) })
      .setProtectedHeader({ alg: ALGORITHM, kid: keyId, typ: 'JWT' })
      .setIssuer(INSTALLATION_ISSUER)
      .setAudience(INSTALLATION_AUDIENCE)
      .setSubject(actor)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + LIFETIME_SECONDS)
      .sign(privateKey);
    return { accessToken, tokenType: 'Bearer', expiresInSeconds: LIFETIME_SECONDS };
  }

  /**
   * Verifies a token of ours.
   *
   * @returns the id of the API key that it stands for
   * @throws AppError `ACCESS.UNAUTHENTICATED`
   */
  async verify(token: string): Promise<string> {
    const { jwks } = await this.#load();
    const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: jwks.keys }), {
      ...{
        issuer: INSTALLATION_ISSUER,
        audience: INSTALLATION_AUDIENCE,
        algorithms: [ALGORITHM],
        clockTolerance: INSTALLATION_SKEW_SECONDS,
      },
      ...{ requiredClaims: ['sub', 'exp'], currentDate: new Date(this.clock.wallMs()) },
    }).catch((error: unknown) => {
      throw invalidToken(error);
    });
    return (payload.sub ?? '').replace(/^key:/, '');
  }

  /** The public keys, for whoever verifies. */
  async jwks(): Promise<rest.Jwks> {
    return (await this.#load()).jwks;
  }

  #load(): Promise<SigningKey> {
    if (this.#loaded !== undefined) return this.#loaded;
    const loading = this.#readOrCreate();
    this.#loaded = loading;
    loading.catch(() => (this.#loaded = undefined));
    return loading;
  }

  async #readOrCreate(): Promise<SigningKey> {
    let rows = await this.#read();
    if (rows.length === 0) {
      await this.#create();
      rows = await this.#read();
    }
    // The oldest signs: of two processes that each made one, both take the same.
    const [signing] = rows;
    if (signing === undefined) throw new AppError('SERVICE.INTERNAL', 'The signing key was not stored.');
    return {
      keyId: signing.keyId,
      privateKey: this.#unwrapped(signing),
      jwks: { keys: await Promise.all(rows.map(({ keyId, publicKey }) => toJwk(keyId, publicKey))) },
    };
  }

  #unwrapped(row: typeof tokenSigningKey.$inferSelect): KeyObject {
    try {
      return unwrapSigningKey(row, this.config.keyEncryptionKey, USE);
    } catch (cause) {
      throw new AppError(
        'TOKEN_KEY.UNWRAP_FAILED',
        'The key that signs tokens does not open: it was wrapped with another key-encryption key, or was changed.',
        { cause },
      );
    }
  }

  #read() {
    return this.database.db
      .select()
      .from(tokenSigningKey)
      .orderBy(asc(tokenSigningKey.createdAt), asc(tokenSigningKey.keyId));
  }

  async #create(): Promise<void> {
    const key = newSigningKey(this.config.keyEncryptionKey, USE);
    const createdAt = new Date(this.clock.wallMs());
    await this.database.db.insert(tokenSigningKey).values({ ...key, createdAt });
  }
}

async function toJwk(keyId: string, spki: Uint8Array): Promise<rest.Jwks['keys'][number]> {
  const {
    kty = '',
    crv = '',
    x = '',
  } = await exportJWK(createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }));
  return { kty, crv, x, kid: keyId, alg: ALGORITHM, use: 'sig' };
}
