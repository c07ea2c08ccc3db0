import { createPublicKey, randomBytes, webcrypto, X509Certificate, type KeyObject } from 'node:crypto';

import './x509.js';
import * as x509 from '@peculiar/x509';
import { AppError, errorMessage } from '@sightline/kernel';

import { SIGNING, type AuthorityKey } from './authority-key.js';

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface SignedCertificate extends Validity {
  /** Hexadecimal, lower case. */
  readonly serialNumber: string;
  /** DER. */
  readonly certificate: Uint8Array;
}

/** A certificate request whose sender has proved to hold the key that it names. */
export interface CertificateRequest {
  /** DER. */
  readonly request: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
}

/** What a certificate is for (RFC 5280, 4.2.1.12). */
const CLIENT_AUTHENTICATION = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTHENTICATION = '1.3.6.1.5.5.7.3.1';

/**
 * Reads a PKCS #10 request and checks that it is signed by its own key, on P-256. Its subject is not looked at: who it
 * is for follows from what authorises it.
 *
 * @throws AppError `CERTIFICATE.REQUEST_INVALID`
 */
export async function readRequest(pem: string): Promise<CertificateRequest> {
  try {
    const request = new x509.Pkcs10CertificateRequest(pem);
    const publicKey = new Uint8Array(request.publicKey.rawData);
    const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
    if (!isOnP256(key)) throw new AppError('CERTIFICATE.REQUEST_INVALID', 'The key must be ECDSA on P-256.');
    if (!(await request.verify())) {
      throw new AppError('CERTIFICATE.REQUEST_INVALID', 'The request is not signed by the key that it names.');
    }
    return { request: new Uint8Array(request.rawData), publicKey };
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('CERTIFICATE.REQUEST_INVALID', `The request cannot be read: ${errorMessage(cause)}`, { cause });
  }
}

function isOnP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

/**
 * Signs a box's certificate.
 *
 * @param username `{tenant}/{device}`: the common name, which Mosquitto takes for the user name. It may be longer than
 *   the 64 characters of RFC 5280 (ub-common-name): neither OpenSSL nor Node holds certificates to that bound.
 */
export function signDeviceCertificate(
  authority: AuthorityKey,
  username: string,
  publicKey: Uint8Array,
  validity: Validity,
): Promise<SignedCertificate> {
  const [tenant = '', device = ''] = username.split('/');
  const names = new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `urn:sightline:${tenant}:${device}` }]);
  return sign(authority, { commonName: username, publicKey, validity, names, usage: CLIENT_AUTHENTICATION });
}

/**
 * Signs the certificate of a broker.
 *
 * @param names host names and IP addresses under which boxes reach it
 */
export function signServerCertificate(
  authority: AuthorityKey,
  names: readonly string[],
  publicKey: Uint8Array,
  validity: Validity,
): Promise<SignedCertificate> {
  const isAddress = (name: string): boolean => /^[\d.]+$|:/.test(name);
  const alternatives = names.map((name) => ({
    type: isAddress(name) ? ('ip' as const) : ('dns' as const),
    value: name,
  }));
  return sign(authority, {
    ...{ commonName: names[0] ?? 'broker', publicKey, validity, usage: SERVER_AUTHENTICATION },
    names: new x509.SubjectAlternativeNameExtension(alternatives),
  });
}

interface Content {
  readonly commonName: string;
  readonly publicKey: Uint8Array;
  readonly validity: Validity;
  readonly names: x509.Extension;
  readonly usage: string;
}

async function sign(authority: AuthorityKey, content: Content): Promise<SignedCertificate> {
  const { commonName, validity, names, usage } = content;
  const issuer = new x509.X509Certificate(Buffer.from(authority.certificate));
  const spki = Buffer.from(content.publicKey);
  const publicKey = await webcrypto.subtle.importKey('spki', spki, SIGNING, true, ['verify']);
  // Random, positive and without a leading zero (RFC 5280, 4.1.2.2).
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const serialNumber = serial.toString('hex');
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber,
    issuer: issuer.subjectName,
    subject: new x509.Name([{ CN: [commonName] }]),
    // X.509 knows whole seconds.
    notBefore: wholeSeconds(validity.notBefore),
    notAfter: wholeSeconds(validity.notAfter),
    signingAlgorithm: SIGNING,
    publicKey,
    signingKey: authority.signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      names,
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  const { notBefore, notAfter } = certificate;
  return { serialNumber, certificate: new Uint8Array(certificate.rawData), notBefore, notAfter };
}

const wholeSeconds = (date: Date): Date => new Date(Math.floor(date.getTime() / 1000) * 1000);

/** The PEM text of a certificate. */
export function certificatePem(der: Uint8Array): string {
  return new X509Certificate(Buffer.from(der)).toString();
}
