import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Metadata, MetadataKind, MetaFile, Root, Snapshot, Targets, Timestamp, type TargetFile } from '@tufjs/models';

import { sha256Of } from '../sha256.js';
import type { RepositoryKeys, RoleKey } from './role-keys.js';

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

type Versions = Readonly<Record<'targets' | 'snapshot' | 'timestamp', number>>;

/** What `timestamp.json` leads to. */
export interface Chain {
  readonly targets: Readonly<Record<string, TargetFile>>;
  readonly versions: Versions;
  readonly expiresMs: Readonly<Record<'targets' | 'snapshot' | 'timestamp', number>>;
}

export function buildRoot(keys: RepositoryKeys, expiresMs: number): Buffer {
  const root = new Root({
    version: 1,
    specVersion: SPEC_VERSION,
    expires: isoSeconds(expiresMs),
    consistentSnapshot: true,
  });
  for (const role of ['root', 'targets', 'snapshot', 'timestamp'] as const) root.addKey(keys[role].publicKey, role);
  return encode(new Metadata(root), keys.root);
}

export function buildTargets(
  key: RoleKey,
  targets: Readonly<Record<string, TargetFile>>,
  version: number,
  expiresMs: number,
): Buffer {
  const signed = new Targets({ version, specVersion: SPEC_VERSION, expires: isoSeconds(expiresMs), targets });
  return encode(new Metadata(signed), key);
}

export function buildSnapshot(key: RoleKey, targetsBytes: Buffer, versions: Versions, expiresMs: number): Buffer {
  const signed = new Snapshot({
    version: versions.snapshot,
    specVersion: SPEC_VERSION,
    expires: isoSeconds(expiresMs),
    meta: { 'targets.json': metaFile(targetsBytes, versions.targets) },
  });
  return encode(new Metadata(signed), key);
}

export function buildTimestamp(key: RoleKey, snapshotBytes: Buffer, versions: Versions, expiresMs: number): Buffer {
  const signed = new Timestamp({
    version: versions.timestamp,
    specVersion: SPEC_VERSION,
    expires: isoSeconds(expiresMs),
    snapshotMeta: metaFile(snapshotBytes, versions.snapshot),
  });
  return encode(new Metadata(signed), key);
}

/** Reads the repository's own metadata, following versions from `timestamp.json` as a device would. */
export async function loadChain(metadata: string): Promise<Chain> {
  const timestamp = Metadata.fromJSON(MetadataKind.Timestamp, await readJson(join(metadata, 'timestamp.json'))).signed;
  const snapshotFile = join(metadata, `${timestamp.snapshotMeta.version}.snapshot.json`);
  const snapshot = Metadata.fromJSON(MetadataKind.Snapshot, await readJson(snapshotFile)).signed;
  const targetsVersion = snapshot.meta['targets.json']?.version ?? 0;
  const targetsFile = join(metadata, `${targetsVersion}.targets.json`);
  const targets = Metadata.fromJSON(MetadataKind.Targets, await readJson(targetsFile)).signed;
  return {
    targets: targets.targets,
    versions: { targets: targets.version, snapshot: snapshot.version, timestamp: timestamp.version },
    expiresMs: {
      targets: Date.parse(targets.expires),
      snapshot: Date.parse(snapshot.expires),
      timestamp: Date.parse(timestamp.expires),
    },
  };
}

type MetadataJson = Parameters<typeof Metadata.fromJSON>[1];

async function readJson(path: string): Promise<MetadataJson> {
  return JSON.parse(await readFile(path, 'utf8')) as MetadataJson;
}

function metaFile(bytes: Buffer, version: number): MetaFile {
  return new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256Of(bytes) } });
}

function encode(metadata: Metadata<Root> | Metadata<Targets> | Metadata<Snapshot> | Metadata<Timestamp>, key: RoleKey) {
  metadata.sign((data) => key.sign(data), false);
  return Buffer.from(JSON.stringify(metadata.toJSON()));
}

/** RFC 3339 without fractions, the only form that TUF 1.0.31 (4.2.1) allows. */
function isoSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
