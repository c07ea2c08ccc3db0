import { generateKeyPairSync, webcrypto, type KeyObject } from 'node:crypto';

import '../device-certificates/x509.js';
import * as x509 from '@peculiar/x509';

/** A box's own key, and its request for a certificate: PKCS #10, PEM. */
export interface BoxKey {
  readonly privateKey: KeyObject;
  readonly request: string;
}

export async function newBoxKey(curve = 'P-256'): Promise<BoxKey> {
  const algorithm = { name: 'ECDSA', namedCurve: curve, hash: 'SHA-256' };
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
  const keys = {
    privateKey: await webcrypto.subtle.importKey(
      'pkcs8',
      privateKey.export({ format: 'der', type: 'pkcs8' }),
      algorithm,
      false,
      ['sign'],
    ),
    publicKey: await webcrypto.subtle.importKey(
      'spki',
      publicKey.export({ format: 'der', type: 'spki' }),
      algorithm,
      true,
      ['verify'],
    ),
  };
  const name = 'CN=whoever';
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: algorithm });
  return { privateKey, request: request.toString('pem') };
}
