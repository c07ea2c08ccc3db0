import { generateKeyPairSync } from 'node:crypto';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models';

import { sha256Of } from '../sha256.js';
import { roleKeyOf, type RoleKey } from '../signing/role-keys.js';
import { targetUrlPath } from '../targets-layout.js';
import { fakeRelease } from './release-fixture.js';

const common = { version: 1, specVersion: '1.0.31', expires: '2099-01-01T00:00:00Z' };

/**
 * A demonstration repository as the first versions made it: one key for each role, every target in the top-level
 * targets, and models without a task in their path.
 */
export async function formerRepository(
  folder: string,
): Promise<{ readonly directory: string; readonly keys: string; readonly root: Buffer }> {
  const [directory, keys] = [join(folder, 'repository'), join(folder, 'demo-keys')];
  await mkdir(keys, { recursive: true });
  const newKey = async (file: string): Promise<RoleKey> => {
    const { privateKey } = generateKeyPairSync('ed25519');
    await writeFile(join(keys, `${file}.pem`), privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
    return roleKeyOf(privateKey);
  };
  const [root, targets] = [await newKey('demo-root'), await newKey('targets')];
  const [snapshot, timestamp] = [await newKey('snapshot'), await newKey('timestamp')];
  const write = async (path: string, bytes: Buffer): Promise<void> => {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), bytes);
  };
  const signed = async (name: string, metadata: AnyMetadata, key: RoleKey): Promise<Buffer> => {
    metadata.sign((data) => key.sign(data));
    const bytes = Buffer.from(JSON.stringify(metadata.toJSON()));
    await write(`metadata/${name}`, bytes);
    return bytes;
  };

  const files = await formerTargets(folder, directory, write);
  const rootDocument = new Root({ ...common, consistentSnapshot: true });
  for (const [role, key] of Object.entries({ root, targets, snapshot, timestamp })) {
    rootDocument.addKey(key.publicKey, role);
  }
  const rootBytes = await signed('1.root.json', new Metadata(rootDocument), root);
  const targetsBytes = await signed(
    '1.targets.json',
    new Metadata(new Targets({ ...common, targets: files })),
    targets,
  );
  const meta = { 'targets.json': metaOf(targetsBytes) };
  const snapshotBytes = await signed('1.snapshot.json', new Metadata(new Snapshot({ ...common, meta })), snapshot);
  await signed(
    'timestamp.json',
    new Metadata(new Timestamp({ ...common, snapshotMeta: metaOf(snapshotBytes) })),
    timestamp,
  );
  return { directory, keys, root: rootBytes };
}

type AnyMetadata = Metadata<Root> | Metadata<Targets> | Metadata<Snapshot> | Metadata<Timestamp>;

const metaOf = (bytes: Buffer): MetaFile =>
  new MetaFile({ version: 1, length: bytes.length, hashes: { sha256: sha256Of(bytes) } });

async function formerTargets(
  folder: string,
  directory: string,
  write: (path: string, bytes: Buffer) => Promise<void>,
): Promise<Record<string, TargetFile>> {
  const release = await fakeRelease(join(folder, 'models'), '1.0.0', 1000);
  const formerPath = (target: string): string => target.replace(/^models\/[a-z-]+\//, 'models/');
  const text = Buffer.from(release.manifestBytes)
    .toString('utf8')
    .replaceAll(/models\/[a-z-]+\//g, 'models/');
  const manifest = Buffer.from(text);
  const channel = Buffer.from(
    `${JSON.stringify({ formatVersion: 1, version: '1.0.0', digest: sha256Of(manifest) })}\n`,
  );
  const files: Record<string, TargetFile> = {};
  const add = (path: string, length: number, sha256: string): void => {
    files[path] = new TargetFile({ path, length, hashes: { sha256 } });
  };
  for (const [target, source] of release.files) {
    const [, , sha256 = ''] = target.split('/');
    const destination = join(directory, 'targets', targetUrlPath(formerPath(target), sha256 as never));
    await mkdir(dirname(destination), { recursive: true });
    await copyFile(source, destination);
    add(formerPath(target), 1000, sha256);
  }
  for (const [path, bytes] of [
    ['releases/1.0.0/manifest.json', manifest],
    ['channels/default.json', channel],
  ] as const) {
    await write(`targets/${targetUrlPath(path, sha256Of(bytes))}`, bytes);
    add(path, bytes.length, sha256Of(bytes));
  }
  return files;
}
