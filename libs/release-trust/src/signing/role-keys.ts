import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeFileDurably } from '@sightline/host';
import { AppError } from '@sightline/kernel';
import { Key, Signature } from '@tufjs/models';

/** One Ed25519 key that signs for a role. */
export interface RoleKey {
  readonly publicKey: Key;
  sign(data: Buffer): Signature;
}

/** What signs from day to day. */
export interface OnlineKeys {
  readonly targets: RoleKey;
  readonly snapshot: RoleKey;
  readonly timestamp: RoleKey;
}

/** All four roles. The root key is needed only to create a repository or to change its keys. */
export interface RepositoryKeys extends OnlineKeys {
  readonly root: RoleKey;
}

/** @throws AppError `RELEASE.KEY_INVALID` when it is not an Ed25519 private key */
export function roleKeyOf(privateKey: KeyObject): RoleKey {
  if (privateKey.type !== 'private' || privateKey.asymmetricKeyType !== 'ed25519') {
    throw new AppError('RELEASE.KEY_INVALID', 'A role key must be an Ed25519 private key.');
  }
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const publicHex = Buffer.from(x, 'base64url').toString('hex');
  // A key id is the SHA-256 of the key's canonical JSON (TUF 1.0.31, 4.2): members in this order, no spaces.
  const canonical = JSON.stringify({ keytype: 'ed25519', keyval: { public: publicHex }, scheme: 'ed25519' });
  const keyID = createHash('sha256').update(canonical).digest('hex');
  return {
    publicKey: new Key({ keyID, keyType: 'ed25519', scheme: 'ed25519', keyVal: { public: publicHex } }),
    sign: (data) => new Signature({ keyID, sig: sign(null, data, privateKey).toString('hex') }),
  };
}

/**
 * The keys of a demonstration repository: made at the first call, files that only their owner may read,
 * the root's among them. A real fleet keeps its root key off the machine that serves it.
 *
 * @param directory holds `demo-root.pem`, `targets.pem`, `snapshot.pem` and `timestamp.pem` (PKCS #8)
 */
export async function openDemoKeys(directory: string): Promise<RepositoryKeys> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  return {
    root: await openKey(join(directory, 'demo-root.pem')),
    targets: await openKey(join(directory, 'targets.pem')),
    snapshot: await openKey(join(directory, 'snapshot.pem')),
    timestamp: await openKey(join(directory, 'timestamp.pem')),
  };
}

async function openKey(path: string): Promise<RoleKey> {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const { privateKey } = generateKeyPairSync('ed25519');
    await writeFileDurably(path, privateKey.export({ format: 'pem', type: 'pkcs8' }), 0o600);
    return roleKeyOf(privateKey);
  }
  try {
    return roleKeyOf(createPrivateKey(pem));
  } catch (cause) {
    throw new AppError('RELEASE.KEY_INVALID', 'A role key file cannot be read.', { cause, details: { path } });
  }
}
