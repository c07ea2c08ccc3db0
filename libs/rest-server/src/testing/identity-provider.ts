import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';

/** An identity provider with a key set over HTTP, whose keys can be exchanged and which can be away. */
export interface IdentityProvider {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  /** How often the keys were asked for. */
  readonly asked: () => number;
  /** Whether it answers with its keys. */
  answer(works: boolean): void;
  /** Signs with a new key from now on; the old one is still published. */
  rotate(): Promise<void>;
  sign(claims: JWTPayload, header?: { readonly kid?: string }): Promise<string>;
  close(): Promise<void>;
}

export async function startIdentityProvider(): Promise<IdentityProvider> {
  const keys: JWK[] = [];
  let [current, asked, works]: [{ kid: string; key: CryptoKey } | undefined, number, boolean] = [undefined, 0, true];
  const server = createServer((_, response) => {
    asked += 1;
    response.writeHead(works ? 200 : 500, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const [issuer, audience] = ['https://login.example.org', 'sightline-test'];
  const rotate = async (): Promise<void> => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const kid = `key-${keys.length + 1}`;
    keys.push({ ...(await exportJWK(publicKey)), kid, alg: 'ES256' });
    current = { kid, key: privateKey };
  };
  await rotate();
  return {
    ...{ issuer, audience, rotate, jwksUrl: `http://127.0.0.1:${port}/jwks.json` },
    asked: () => asked,
    answer: (now) => (works = now),
    sign: (claims, header) => {
      if (current === undefined) throw new Error('there is no key');
      return new SignJWT({ iss: issuer, aud: audience, ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: header?.kid ?? current.kid })
        .sign(current.key);
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
