import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';

import type { ModelRegistryConfig } from '@sightline/model-registry';

/** What a registry knows of an identity provider whose keys lie in a file, and a token of it for an admin of `acme`. */
export function adminAccess(file: string): {
  readonly access: ModelRegistryConfig['access'];
  readonly authorization: string;
} {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(file, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a', alg: 'EdDSA' }] }));
  const [issuer, audience] = ['https://provider.test', 'sightline'];
  const nowSeconds = Math.floor(Date.now() / 1000);
  const claims = { sub: 'admin-1', tenant: 'acme', role: 'admin', iss: issuer, aud: audience };
  const parts = [
    { alg: 'EdDSA', kid: 'a' },
    { ...claims, iat: nowSeconds, exp: nowSeconds + 3600 },
  ];
  const body = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = sign(null, Buffer.from(body), privateKey).toString('base64url');
  const names = { tenant: 'tenant', role: 'role', device: 'device' };
  return {
    access: { identityProvider: { issuer, audience, jwks: { file }, claims: names, clockSkewSeconds: 30 } },
    authorization: `Bearer ${body}.${signature}`,
  };
}
