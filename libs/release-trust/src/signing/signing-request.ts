import { AppError } from '@sightline/kernel';
import { Metadata, MetadataKind, Targets, type Root } from '@tufjs/models';
import { z } from 'zod';

import { roleNames, type OfflineRole, type RoleName } from '../delegated-roles.js';
import { assignmentIn, type RepositoryState, type TargetsRole } from './repository-metadata.js';
import type { RoleHolders, RoleKey } from './role-keys.js';

const documentSchema = z.object({
  role: z.enum(roleNames).exclude(['snapshot', 'timestamp']),
  metadata: z.object({ signed: z.record(z.string(), z.json()), signatures: z.array(z.record(z.string(), z.string())) }),
});

const requestSchema = z.object({
  formatVersion: z.literal(1),
  documents: z.array(documentSchema).max(roleNames.length),
  releases: z.array(z.object({ version: z.string(), digest: z.string(), channel: z.string().optional() })),
  holders: z.partialRecord(z.enum(roleNames), z.array(z.string())).describe('Key ids that may sign, by role.'),
});

/** A release that is whole and waits for signatures. */
export interface StagedRelease {
  readonly version: string;
  readonly digest: string;
  /** The channel that will name it; none: it is only signed. */
  readonly channel?: string | undefined;
}

/** How many signatures a document has and needs. */
export interface SignatureNeed {
  readonly role: OfflineRole;
  readonly have: number;
  readonly threshold: number;
}

/** Documents that are to be signed, and those signatures that are there. */
export interface SigningSet {
  readonly root?: Metadata<Root> | undefined;
  readonly targets: ReadonlyMap<TargetsRole, Metadata<Targets>>;
  readonly releases: readonly StagedRelease[];
}

type Holders = Readonly<Partial<Record<RoleName, readonly string[]>>>;

/** As a file that travels to whoever signs, and back. */
export function encodeSigningSet(set: SigningSet, state: RepositoryState | undefined): string {
  const holders = Object.fromEntries(documentsOf(set).map(([role]) => [role, holderIdsOf(set, role, state)]));
  return encodeRequest(set, holders);
}

/** @throws AppError `RELEASE.CORRUPT` when it is no signing request */
export const parseSigningSet = (text: string): SigningSet => parseRequest(text).set;

/**
 * Signs what a request asks of a key. Needs neither repository nor network: for a machine that has neither.
 *
 * @returns the request with the signatures, and the roles that it was signed for
 * @throws AppError `RELEASE.CORRUPT` when it is no signing request
 */
export function signRequest(
  request: string,
  key: RoleKey,
): { readonly request: string; readonly roles: readonly OfflineRole[] } {
  const { set, holders } = parseRequest(request);
  const roles = signWhere(set, key, (role) => holders[role] ?? []);
  return { request: encodeRequest(set, holders), roles };
}

/** What a signature on a request vouches for, a line for each document and target. */
export function describeRequest(request: string): readonly string[] {
  return documentsOf(parseSigningSet(request)).flatMap(([role, { signed, signatures }]) => [
    `${role} version ${signed.version}, until ${signed.expires}, ${Object.keys(signatures).length} signatures so far`,
    ...(signed instanceof Targets
      ? Object.values(signed.targets).map(({ path, length, hashes }) => `  ${hashes.sha256 ?? ''} ${length} ${path}`)
      : Object.entries(signed.roles).map(
          ([name, { keyIDs, threshold }]) => `  ${name}: ${threshold} of ${keyIDs.join(', ')}`,
        )),
  ]);
}

function encodeRequest(set: SigningSet, holders: Holders): string {
  const documents = documentsOf(set).map(([role, metadata]) => ({ role, metadata: metadata.toJSON() }));
  return `${JSON.stringify({ formatVersion: 1, documents, releases: set.releases, holders }, null, 2)}\n`;
}

function parseRequest(text: string): { readonly set: SigningSet; readonly holders: Holders } {
  try {
    const { documents, releases, holders } = requestSchema.parse(JSON.parse(text));
    const targets = new Map<TargetsRole, Metadata<Targets>>();
    let root: Metadata<Root> | undefined;
    for (const { role, metadata } of documents) {
      if (role === 'root') root = Metadata.fromJSON(MetadataKind.Root, metadata);
      else targets.set(role, Metadata.fromJSON(MetadataKind.Targets, metadata));
    }
    return { set: { root, targets, releases }, holders };
  } catch (cause) {
    throw new AppError('RELEASE.CORRUPT', 'The signing request cannot be read.', { cause });
  }
}

/** Every document with its role, the root first. */
export function documentsOf(set: SigningSet): readonly (readonly [OfflineRole, Metadata<Root> | Metadata<Targets>])[] {
  return [...(set.root ? [['root', set.root] as const] : []), ...set.targets];
}

/**
 * Adds the signatures of a key wherever it is asked for one.
 *
 * @param state what is published, if anything is: the holders of its root sign the next one too
 * @returns the roles that it signed for
 */
export function signSet(set: SigningSet, key: RoleKey, state: RepositoryState | undefined): readonly OfflineRole[] {
  return signWhere(set, key, (role) => holderIdsOf(set, role, state));
}

function signWhere(
  set: SigningSet,
  key: RoleKey,
  holdersOfRole: (role: OfflineRole) => readonly string[],
): readonly OfflineRole[] {
  const asked = documentsOf(set).filter(([role]) => holdersOfRole(role).includes(key.publicKey.keyID));
  for (const [, metadata] of asked) metadata.sign((data) => key.sign(data));
  return asked.map(([role]) => role);
}

const holderIdsOf = (set: SigningSet, role: OfflineRole, state: RepositoryState | undefined): readonly string[] => [
  ...new Set(holdersOf(set, role, state).flatMap(({ keys }) => keys.map(({ keyID }) => keyID))),
];

/** How many valid signatures each document has. A root is counted by the root before and by itself: the worse counts. */
export function needsOf(set: SigningSet, state: RepositoryState | undefined): readonly SignatureNeed[] {
  return documentsOf(set).map(([role, metadata]) => {
    const counts = holdersOf(set, role, state).map(({ keys, threshold }) => ({
      ...{ role, threshold },
      have: keys.filter((key) => isSignedBy(metadata, key)).length,
    }));
    return counts.reduce((worst, count) =>
      count.threshold - count.have > worst.threshold - worst.have ? count : worst,
    );
  });
}

export function isComplete(set: SigningSet, state: RepositoryState | undefined): boolean {
  return needsOf(set, state).every(({ have, threshold }) => have >= threshold);
}

/**
 * Takes the signatures that came back.
 *
 * @throws AppError `RELEASE.OTHER_DOCUMENTS` when what was signed is not what waits for signatures (any more)
 */
export function mergeSignatures(set: SigningSet, signed: SigningSet, state: RepositoryState | undefined): number {
  let added = 0;
  const known = new Map(documentsOf(set));
  for (const [role, document] of documentsOf(signed)) {
    const own = known.get(role);
    if (!own?.signed.equals(document.signed as never)) {
      throw new AppError('RELEASE.OTHER_DOCUMENTS', `Other ${role} metadata waits for signatures than was signed.`);
    }
    const holders = holdersOf(set, role, state).flatMap(({ keys }) => keys);
    for (const key of holders) {
      const signature = document.signatures[key.keyID];
      // One that is not valid would only hide one that is.
      if (!signature || !isSignedBy(document, key) || isSignedBy(own, key)) continue;
      own.signatures[key.keyID] = signature;
      added += 1;
    }
  }
  return added;
}

/** Who has to sign a document: for a new root the holders of the root before it, and its own (TUF 1.0.31, 6.1). */
function holdersOf(set: SigningSet, role: OfflineRole, state: RepositoryState | undefined): readonly RoleHolders[] {
  const root = set.root ?? state?.root;
  if (!root) return [];
  const next = assignmentIn(root, set.targets.get('targets') ?? state?.targets.get('targets'))[role];
  return role === 'root' && state ? [assignmentIn(state.root, undefined).root, next] : [next];
}

function isSignedBy(metadata: Metadata<Root> | Metadata<Targets>, key: RoleHolders['keys'][number]): boolean {
  try {
    key.verifySignature(metadata);
    return true;
  } catch {
    return false;
  }
}
