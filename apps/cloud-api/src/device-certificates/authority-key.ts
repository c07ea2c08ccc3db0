import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  webcrypto,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';

import { AppError } from '@sightline/kernel';

import './x509.js';
import * as x509 from '@peculiar/x509';

/** An authority that can sign: its certificate, and its key both as Node and as Web Crypto have it. */
export interface AuthorityKey {
  /** Subject key identifier, hexadecimal. */
  readonly keyId: string;
  /** DER. */
  readonly certificate: Uint8Array;
  readonly signingKey: webcrypto.CryptoKey;
}

/** What every signature of the authority is made with. Mosquitto with OpenSSL 1.1.1 and every TLS client know it. */
export const SIGNING = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

const DAY_MS = 86_400_000;
/** Its end would be the whole fleet's: it outlives the boxes. */
const AUTHORITY_DAYS = 20 * 365;

/**
 * Makes an authority: a key on P-256 and a certificate that it signs itself.
 *
 * @param nowMs Unix time
 * @returns the private key as PKCS #8, DER
 */
export async function createAuthority(
  nowMs: number,
): Promise<{ readonly keyId: string; readonly certificate: Uint8Array; readonly privateKey: Uint8Array }> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const privateKey = new Uint8Array(pair.privateKey.export({ format: 'der', type: 'pkcs8' }));
  const spki = pair.publicKey.export({ format: 'der', type: 'spki' });
  const publicKey = await webcrypto.subtle.importKey('spki', spki, SIGNING, true, ['verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // The name is part of what verifiers find an issuer by: two authorities must not share it.
    name: `CN=Sightline ${createHash('sha256').update(spki).digest('hex').slice(0, 16)}`,
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + AUTHORITY_DAYS * DAY_MS),
    signingAlgorithm: SIGNING,
    keys: { privateKey: await signingKeyOf(pair.privateKey), publicKey },
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  const der = new Uint8Array(certificate.rawData);
  return { keyId: keyIdOf(der), certificate: der, privateKey };
}

/**
 * Brings certificate and key of an authority together.
 *
 * @param certificate DER or PEM
 * @param privateKey of a key on P-256
 * @throws AppError `CERTIFICATE_AUTHORITY.INVALID` when they do not belong together or may not sign
 */
export async function authorityOf(certificate: Uint8Array | string, privateKey: KeyObject): Promise<AuthorityKey> {
  const parsed = new X509Certificate(Buffer.from(certificate));
  const isFit =
    parsed.ca &&
    parsed.checkPrivateKey(privateKey) &&
    privateKey.asymmetricKeyDetails?.namedCurve === 'prime256v1' &&
    parsed.checkIssued(parsed);
  if (!isFit) {
    throw new AppError(
      'CERTIFICATE_AUTHORITY.INVALID',
      'The authority needs a self-signed CA certificate and its own key, ECDSA on P-256.',
    );
  }
  const der = new Uint8Array(parsed.raw);
  return { keyId: keyIdOf(der), certificate: der, signingKey: await signingKeyOf(privateKey) };
}

/**
 * An authority that the operator has brought, in PEM.
 *
 * @throws AppError `CERTIFICATE_AUTHORITY.INVALID`
 */
export async function authorityFromPem(certificate: string, key: string): Promise<AuthorityKey> {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(key);
  } catch {
    // Without the reason, which may quote the key.
    throw new AppError('CERTIFICATE_AUTHORITY.INVALID', 'The key of the authority cannot be read.');
  }
  try {
    return await authorityOf(certificate, privateKey);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('CERTIFICATE_AUTHORITY.INVALID', 'The certificate of the authority cannot be read.', { cause });
  }
}

function signingKeyOf(privateKey: KeyObject): Promise<webcrypto.CryptoKey> {
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  return webcrypto.subtle.importKey('pkcs8', pkcs8, SIGNING, false, ['sign']);
}

function keyIdOf(certificate: Uint8Array): string {
  const { extensions } = new x509.X509Certificate(Buffer.from(certificate));
  const identifier = extensions.find((extension) => extension instanceof x509.SubjectKeyIdentifierExtension);
  return identifier?.keyId ?? createHash('sha256').update(certificate).digest('hex').slice(0, 40);
}
