import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { AppError } from '@sightline/kernel';
import {
  Metadata,
  MetadataKind,
  MetaFile,
  Root,
  Snapshot,
  Targets,
  Timestamp,
  type Key,
  type TargetFile,
} from '@tufjs/models';

import { delegatedPaths, delegatedRoles, type DelegatedRole } from '../delegated-roles.js';
import { sha256Of } from '../sha256.js';
import type { KeyAssignment, RoleHolders } from './role-keys.js';

/** For how long a signature of each role holds, ms. */
export interface Validity {
  readonly rootMs: number;
  readonly targetsMs: number;
  readonly snapshotMs: number;
  readonly timestampMs: number;
}

const DAY = 86_400_000;

/**
 * A timestamp bounds for how long a mirror can hide a newer release; the others are long, so that a
 * registry that is down over a holiday stops no device. Signed again at half of it.
 */
export const defaultValidity: Validity = {
  rootMs: 3650 * DAY,
  targetsMs: 365 * DAY,
  snapshotMs: 30 * DAY,
  timestampMs: 7 * DAY,
};

const SPEC_VERSION = '1.0.31';

export type TargetsRole = 'targets' | DelegatedRole;
export type TargetsDocuments = ReadonlyMap<TargetsRole, Metadata<Targets>>;

/** Everything that is signed, as `timestamp.json` leads to it. */
export interface RepositoryState {
  readonly root: Metadata<Root>;
  readonly targets: TargetsDocuments;
  readonly snapshot: Metadata<Snapshot>;
  readonly timestamp: Metadata<Timestamp>;
}

interface Terms {
  readonly version: number;
  /** Ms since the epoch. */
  readonly expiresMs: number;
}

const commonOf = ({ version, expiresMs }: Terms) => ({
  spec_version: SPEC_VERSION,
  version,
  // RFC 3339 without fractions, the only form that TUF 1.0.31 (4.2.1) allows.
  expires: `${new Date(expiresMs).toISOString().slice(0, 19)}Z`,
});

const keysOf = (holders: readonly RoleHolders[]) =>
  Object.fromEntries(holders.flatMap(({ keys }) => keys).map((key: Key) => [key.keyID, key.toJSON()]));
const roleOf = ({ keys, threshold }: RoleHolders) => ({ keyids: keys.map(({ keyID }) => keyID), threshold });

/** An unsigned root that names the holders of the four top-level roles. */
export function buildRoot(assignment: KeyAssignment, terms: Terms): Metadata<Root> {
  const { root, targets, snapshot, timestamp } = assignment;
  const roles = { root, targets, snapshot, timestamp };
  const named = Object.fromEntries(Object.entries(roles).map(([role, holders]) => [role, roleOf(holders)]));
  const keys = keysOf(Object.values(roles));
  return new Metadata(
    Root.fromJSON({ _type: 'root', ...commonOf(terms), consistent_snapshot: true, keys, roles: named }),
  );
}

/** Unsigned targets. `delegations` has the holders of the delegated roles; only the top-level targets have them. */
export function buildTargets(
  targets: Readonly<Record<string, TargetFile>>,
  terms: Terms,
  delegations?: Readonly<Record<DelegatedRole, RoleHolders>>,
): Metadata<Targets> {
  const files = Object.fromEntries(Object.entries(targets).map(([path, file]) => [path, file.toJSON()]));
  const delegated = delegations && {
    keys: keysOf(delegatedRoles.map((role) => delegations[role])),
    roles: delegatedRoles.map((name) => ({
      ...roleOf(delegations[name]),
      ...{ name, terminating: true, paths: [delegatedPaths[name]] },
    })),
  };
  const signed = { _type: 'targets', ...commonOf(terms), targets: files };
  return new Metadata(Targets.fromJSON({ ...signed, ...(delegated && { delegations: delegated }) }));
}

export function buildSnapshot(targets: TargetsDocuments, terms: Terms): Metadata<Snapshot> {
  const { version, spec_version: specVersion, expires } = commonOf(terms);
  const meta = [...targets].map(([role, document]) => [`${role}.json`, metaFile(document)] as const);
  return new Metadata(new Snapshot({ version, specVersion, expires, meta: Object.fromEntries(meta) }));
}

export function buildTimestamp(snapshot: Metadata<Snapshot>, terms: Terms): Metadata<Timestamp> {
  const { version, spec_version: specVersion, expires } = commonOf(terms);
  return new Metadata(new Timestamp({ version, specVersion, expires, snapshotMeta: metaFile(snapshot) }));
}

type AnyMetadata = Metadata<Root> | Metadata<Targets> | Metadata<Snapshot> | Metadata<Timestamp>;

/** The bytes of a document as they are served. */
export function encode(metadata: AnyMetadata): Buffer {
  return Buffer.from(JSON.stringify(metadata.toJSON()));
}

/** Reads the repository's own metadata, following versions from `timestamp.json` as a device would. */
export async function loadState(directory: string): Promise<RepositoryState> {
  const timestamp = Metadata.fromJSON(MetadataKind.Timestamp, await readJson(join(directory, 'timestamp.json')));
  const snapshotFile = join(directory, `${timestamp.signed.snapshotMeta.version}.snapshot.json`);
  const snapshot = Metadata.fromJSON(MetadataKind.Snapshot, await readJson(snapshotFile));
  const targets = new Map<TargetsRole, Metadata<Targets>>();
  for (const role of ['targets', ...delegatedRoles] as const) {
    const version = snapshot.signed.meta[`${role}.json`]?.version;
    if (version === undefined) continue;
    const file = join(directory, `${version}.${role}.json`);
    targets.set(role, Metadata.fromJSON(MetadataKind.Targets, await readJson(file)));
  }
  const root = JSON.parse((await readRoot(directory)).toString('utf8')) as MetadataJson;
  return { root: Metadata.fromJSON(MetadataKind.Root, root), targets, snapshot, timestamp };
}

/** The newest root metadata, as it is served. */
export async function readRoot(directory: string): Promise<Buffer> {
  for (let version = 1, newest: Buffer | undefined; ; version += 1) {
    try {
      newest = await readFile(join(directory, `${version}.root.json`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || newest === undefined) throw error;
      return newest;
    }
  }
}

/** Who may sign for the top-level and the delegated roles, as the documents say it. */
export function assignmentIn(root: Metadata<Root>, targets: Metadata<Targets> | undefined): KeyAssignment {
  const holders = (keys: Readonly<Record<string, Key>>, role: RoleLike | undefined): RoleHolders => ({
    keys: (role?.keyIDs ?? []).flatMap((id) => keys[id] ?? []),
    threshold: role?.threshold ?? 1,
  });
  const { delegations } = targets?.signed ?? {};
  const delegated = delegatedRoles.map(
    (role) => [role, holders(delegations?.keys ?? {}, delegations?.roles?.[role])] as const,
  );
  const topLevel = (['root', 'targets', 'snapshot', 'timestamp'] as const).map(
    (role) => [role, holders(root.signed.keys, root.signed.roles[role])] as const,
  );
  return Object.fromEntries([...topLevel, ...delegated]) as unknown as KeyAssignment;
}

interface RoleLike {
  readonly keyIDs: readonly string[];
  readonly threshold: number;
}

type MetadataJson = Parameters<typeof Metadata.fromJSON>[1];

async function readJson(path: string): Promise<MetadataJson> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as MetadataJson;
  } catch (cause) {
    throw new AppError('RELEASE.CORRUPT', 'A metadata file of the repository cannot be read.', {
      cause,
      details: { path },
    });
  }
}

function metaFile(metadata: Metadata<Targets> | Metadata<Snapshot>): MetaFile {
  const bytes = encode(metadata);
  return new MetaFile({ version: metadata.signed.version, length: bytes.length, hashes: { sha256: sha256Of(bytes) } });
}
