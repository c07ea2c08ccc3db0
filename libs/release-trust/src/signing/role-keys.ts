import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { createOnce, writeFileDurably } from '@sightline/host';
import { AppError } from '@sightline/kernel';
import { Key, Signature } from '@tufjs/models';
import { z } from 'zod';

import { delegatedRoles, type DelegatedRole, type RoleName } from '../delegated-roles.js';

/** One Ed25519 key that signs for a role. */
export interface RoleKey {
  readonly publicKey: Key;
  sign(data: Buffer): Signature;
}

/** Who may sign for a role, and how many of them have to. */
export interface RoleHolders {
  readonly keys: readonly Key[];
  readonly threshold: number;
}

/** Who signs for what. */
export type KeyAssignment = Readonly<Record<RoleName, RoleHolders>>;

/** The keys of a repository, as far as they are on this machine. */
export interface RepositoryKeys {
  /** Each signs for whatever role names it. */
  readonly signers: readonly RoleKey[];
  /** Who signs for what in a repository that is created. */
  readonly assignment: KeyAssignment;
  /** The root key of a repository of before the thresholds, with which it vouches for the keys that follow it. */
  readonly former?: RoleKey | undefined;
}

/** The root's holders sign the root; the targets' holders sign the targets and, until that is changed, every task. */
export function assignmentOf(
  holders: Readonly<Record<'root' | 'targets' | 'snapshot' | 'timestamp', RoleHolders>>,
): KeyAssignment {
  const delegated = Object.fromEntries(delegatedRoles.map((role) => [role, holders.targets]));
  return { ...holders, ...(delegated as Record<DelegatedRole, RoleHolders>) };
}

/** @throws AppError `RELEASE.KEY_INVALID` when it is not an Ed25519 private key */
export function roleKeyOf(privateKey: KeyObject): RoleKey {
  if (privateKey.type !== 'private' || privateKey.asymmetricKeyType !== 'ed25519') {
    throw new AppError('RELEASE.KEY_INVALID', 'A role key must be an Ed25519 private key.');
  }
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const publicKey = publicKeyOf(Buffer.from(x, 'base64url').toString('hex'));
  const { keyID } = publicKey;
  return { publicKey, sign: (data) => new Signature({ keyID, sig: sign(null, data, privateKey).toString('hex') }) };
}

function publicKeyOf(publicHex: string): Key {
  // A key id is the SHA-256 of the key's canonical JSON (TUF 1.0.31, 4.2): members in this order, no spaces.
  const canonical = JSON.stringify({ keytype: 'ed25519', keyval: { public: publicHex }, scheme: 'ed25519' });
  const keyID = createHash('sha256').update(canonical).digest('hex');
  return new Key({ keyID, keyType: 'ed25519', scheme: 'ed25519', keyVal: { public: publicHex } });
}

/** Signatures that the offline roles of a demonstration ask for: as many as those of a fleet should. */
const DEMO_THRESHOLD = 2;

/**
 * The keys of a demonstration repository: made at the first call, files that only their owner may read. The
 * offline ones are here too, which makes them worth nothing against whoever gets into this machine: a fleet
 * keeps its own elsewhere.
 *
 * @param directory holds `offline-1.pem`, `offline-2.pem`, `snapshot.pem` and `timestamp.pem` (PKCS #8)
 */
export async function openDemoKeys(directory: string): Promise<RepositoryKeys> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  const open = (name: string): Promise<RoleKey> => openKey(join(directory, `${name}.pem`));
  const offline = [await open('offline-1'), await open('offline-2')];
  const [snapshot, timestamp] = [await open('snapshot'), await open('timestamp')];
  const holders = { keys: offline.map(({ publicKey }) => publicKey), threshold: DEMO_THRESHOLD };
  return {
    signers: [...offline, snapshot, timestamp],
    assignment: assignmentOf({ root: holders, targets: holders, ...onlineHolders({ snapshot, timestamp }) }),
    former: await readKey(join(directory, 'demo-root.pem')),
  };
}

/** One key for each of the online roles. */
export function onlineHolders(keys: Readonly<Record<'snapshot' | 'timestamp', RoleKey>>) {
  const alone = ({ publicKey }: RoleKey): RoleHolders => ({ keys: [publicKey], threshold: 1 });
  return { snapshot: alone(keys.snapshot), timestamp: alone(keys.timestamp) };
}

async function openKey(path: string): Promise<RoleKey> {
  const known = await readKey(path);
  if (known) return known;
  const { privateKey } = generateKeyPairSync('ed25519');
  await writeFileDurably(path, privateKey.export({ format: 'pem', type: 'pkcs8' }), 0o600);
  return roleKeyOf(privateKey);
}

/**
 * The key in a PKCS #8 file; undefined when there is no such file.
 *
 * @throws AppError `RELEASE.KEY_INVALID`
 */
export async function readKey(path: string, passphrase?: string): Promise<RoleKey | undefined> {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
  try {
    return roleKeyOf(createPrivateKey({ key: pem, ...(passphrase !== undefined && { passphrase }) }));
  } catch (cause) {
    const facts = { cause, details: { path } };
    throw new AppError('RELEASE.KEY_INVALID', 'A role key file cannot be read, or not with this passphrase.', facts);
  }
}

/** A new Ed25519 key in an encrypted PKCS #8 file that only its owner reads. */
export async function createKeyFile(path: string, passphrase: string): Promise<RoleKey> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase });
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  if (!(await createOnce(path, pem.toString()))) {
    throw new AppError('RELEASE.KEY_INVALID', 'There is a file of this name already.', { details: { path } });
  }
  return roleKeyOf(privateKey);
}

const publicKeySchema = z.object({ scheme: z.literal('ed25519'), public: z.string().regex(/^[0-9a-f]{64}$/) });

/** A public key as one holder sends it to another. */
export function encodePublicKey({ keyVal }: Key): string {
  return `${JSON.stringify({ scheme: 'ed25519', public: keyVal.public })}\n`;
}

/** @throws AppError `RELEASE.KEY_INVALID` */
export function parsePublicKey(text: string): Key {
  try {
    return publicKeyOf(publicKeySchema.parse(JSON.parse(text)).public);
  } catch (cause) {
    throw new AppError('RELEASE.KEY_INVALID', 'A public key cannot be read.', { cause });
  }
}
