import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ReleaseManifest } from '@sightline/contracts';
import { systemClock, type Clock } from '@sightline/kernel';
import {
  openDemoKeys,
  ReleaseClient,
  ReleaseRepository,
  ReleaseStore,
  roleKeyOf,
  type PublishedRelease,
  type RepositoryKeys,
  type RoleKey,
} from '@sightline/release-trust';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { repositoryDirectory } from '../keys/repository-keys.js';
import { modelStoreDirectory, startTestRegistry, type TestRegistry } from '../testing/test-registry.js';

const DAY = 86_400_000;
const MEBIBYTE = 2 ** 20;
const untrusted = { code: 'RELEASE.UNTRUSTED' };
const corrupt = { code: 'RELEASE.CORRUPT' };

/** What whoever is on the line makes of an answer; undefined: nothing. */
type Tamper = (path: string, honest: () => Promise<Buffer>) => Promise<Uint8Array | Response | undefined>;
interface Signed {
  version: number;
  meta: Record<string, { version: number; length?: number; hashes?: object }>;
  targets: Record<string, { length: number; hashes: { sha256: string } }>;
}

let stage: TestRegistry;
let folder: string;
let keys: RepositoryKeys;
let first: PublishedRelease;
let second: PublishedRelease;
/** The timestamp of when only the first release was there. */
let before: Buffer;
let devices = 0;
let directory: string;
/** Paths that the device has asked for. */
let asked: string[] = [];

const fileAt = async (path: string): Promise<Buffer> =>
  Buffer.from(await (await fetch(`${stage.registry.repositoryUrl}/${path}`)).arrayBuffer());
const repositoryWith = (signers: readonly RoleKey[]): ReleaseRepository =>
  new ReleaseRepository({ directory: repositoryDirectory(stage.config), clock: systemClock }, { signers });
const newKey = (): RoleKey => roleKeyOf(generateKeyPairSync('ed25519').privateKey);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-attacks-'));
  stage = await startTestRegistry();
  keys = await openDemoKeys(join(stage.config.dataDirectory, 'demo-keys'));
  before = await fileAt('metadata/timestamp.json');
  const repository = repositoryWith(keys.signers);
  [first] = (await repository.releases()) as [PublishedRelease];
  const models = modelsOf(first.manifest);
  await repository.publish({
    manifestBytes: Buffer.from(JSON.stringify({ ...first.manifest, version: '1.1.0' })),
    files: new Map(models.map(({ target, sha256 }) => [target, join(modelStoreDirectory, `${sha256}.onnx`)])),
    channel: 'default',
  });
  second = (await repository.releases()).find(({ version }) => version === '1.1.0')!;
}, 120_000);
afterAll(async () => {
  await stage.stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  directory = join(folder, `device-${(devices += 1)}`);
  asked = [];
});

function modelsOf({ detector, landmarks, embedder, presentationAttack }: ReleaseManifest) {
  return [detector, landmarks, embedder, ...(presentationAttack ? [presentationAttack] : [])];
}

/** A box's client of the running registry, with somebody on the line. */
function device(tamper: Tamper = async () => undefined, clock: Clock = systemClock): ReleaseClient {
  const { repositoryUrl } = stage.registry;
  return new ReleaseClient({
    repositoryUrl,
    directory,
    trustedRoot: Buffer.from(stage.registry.trustedRoot()),
    clock,
    download: { fruitlessAttempts: 2, backoff: { baseMs: 1, capMs: 1 } },
    fetch: async (input, init) => {
      const url = input instanceof Request ? input.url : input.toString();
      const path = url.slice(repositoryUrl.length + 1);
      asked.push(path);
      const forged = await tamper(path, () => fileAt(path));
      if (forged instanceof Response) return forged;
      return forged === undefined ? fetch(input, init) : new Response(Buffer.from(forged));
    },
  });
}

const active = async (): Promise<string | undefined> =>
  (await new ReleaseStore({ directory, clock: systemClock }).current())?.digest;

/** Metadata with other contents, signed by whatever keys the attacker has. */
function forged(honest: Buffer, edit: (signed: Signed) => void, by: readonly RoleKey[]): Buffer {
  const { signed } = JSON.parse(honest.toString('utf8')) as { signed: Signed };
  edit(signed);
  const signatures = by.map((key) => ({
    keyid: key.publicKey.keyID,
    sig: key.sign(Buffer.from(canonical(signed))).sig,
  }));
  return Buffer.from(JSON.stringify({ signatures, signed }));
}

/** Members in the order of their names, no spaces: what TUF signs (1.0.31, 4.2). */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}

const keysOf = async (role: 'snapshot' | 'timestamp' | 'targets'): Promise<readonly RoleKey[]> => {
  const holders = (await repositoryWith(keys.signers).holders())[role].keys.map(({ keyID }) => keyID);
  return keys.signers.filter(({ publicKey }) => holders.includes(publicKey.keyID));
};

/** Documents by which every release would be other bytes, signed with the online keys and `offline`. */
async function forgedRelease(offline: readonly RoleKey[]): Promise<ReadonlyMap<string, Buffer>> {
  const signedOf = (document: Buffer): Signed => (JSON.parse(document.toString('utf8')) as { signed: Signed }).signed;
  const timestamp = await fileAt('metadata/timestamp.json');
  const newest = signedOf(timestamp).meta['snapshot.json']?.version ?? 0;
  const snapshot = await fileAt(`metadata/${newest}.snapshot.json`);
  const releases = signedOf(snapshot).meta['releases.json']?.version ?? 0;
  const honest = await fileAt(`metadata/${releases}.releases.json`);
  const edits = {
    releases: (document: Signed): void => {
      document.version = releases + 1;
      for (const target of Object.values(document.targets)) target.hashes.sha256 = 'b'.repeat(64);
    },
    // Lengths and digests are optional in both, and the attacker's documents go without.
    snapshot: (document: Signed): void => {
      document.version = newest + 1;
      document.meta['releases.json'] = { version: releases + 1 };
    },
    timestamp: (document: Signed): void => {
      document.version += 1;
      document.meta['snapshot.json'] = { version: newest + 1 };
    },
  };
  return new Map([
    [`metadata/${releases + 1}.releases.json`, forged(honest, edits.releases, offline)],
    [`metadata/${newest + 1}.snapshot.json`, forged(snapshot, edits.snapshot, await keysOf('snapshot'))],
    ['metadata/timestamp.json', forged(timestamp, edits.timestamp, await keysOf('timestamp'))],
  ]);
}

/** Bytes without an end, and how many of them were taken. */
function endless(): { readonly response: Response; readonly taken: () => number } {
  let taken = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      taken += 65_536;
      controller.enqueue(new Uint8Array(65_536));
    },
  });
  return { response: new Response(stream), taken: () => taken };
}

/** The attacks of the TUF specification (1.0.31, 1.5.2), by whoever is between a box and a running registry. */
describe('whoever is on the line to a running registry cannot', () => {
  it('arbitrary installation: have other bytes installed in a model’s place', async () => {
    const { embedder } = second.manifest;
    const other = randomBytes(embedder.bytes);
    const attacked = device(async (path) => (path.includes('models/embedder/') ? other : undefined));
    await expect(attacked.download()).rejects.toMatchObject(corrupt);
    expect(await active()).toBeUndefined();
    expect((await device().download()).digest).toBe(second.digest);
  });

  it.each(['metadata/timestamp.json', 'models/embedder/'])(
    'endless data: have more read of %s than was said',
    async (where) => {
      const { response, taken } = endless();
      const refused = device(async (path) => (path.includes(where) ? response : undefined)).download();
      await expect(refused).rejects.toMatchObject({ code: expect.stringMatching(/^RELEASE\./) as string });
      expect(taken()).toBeLessThan(second.manifest.embedder.bytes + MEBIBYTE);
    },
  );

  it('extraneous dependencies: have a file fetched that the release was not signed with', async () => {
    const target = `models/presentation-attack/${'a'.repeat(64)}/extra.onnx`;
    const attacked = device(async (path, honest) => {
      if (!path.includes('manifest.json')) return undefined;
      const manifest = JSON.parse((await honest()).toString('utf8')) as ReleaseManifest;
      return Buffer.from(JSON.stringify({ ...manifest, presentationAttack: { ...manifest.detector, target } }));
    });
    await expect(attacked.download()).rejects.toMatchObject(corrupt);
    expect(asked.filter((path) => path.includes('extra'))).toEqual([]);
  });

  it('indefinite freeze: have an old state taken for the newest for ever', async () => {
    let offset = 0;
    const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + offset };
    const frozen = device(async (path) => (path === 'metadata/timestamp.json' ? before : undefined), clock);
    expect((await frozen.download()).digest).toBe(first.digest);
    offset = 8 * DAY;
    await expect(frozen.download()).rejects.toMatchObject(untrusted);
  });

  it('malicious mirrors: keep a box from what it has, nor from the next when the registry answers again', async () => {
    const order = { version: first.version, digest: first.digest };
    await new ReleaseStore({ directory, clock: systemClock }).activate(await device().download(order));
    const mirrors: readonly Tamper[] = [
      async (path) => (path.startsWith('targets/') ? new Response('gone', { status: 404 }) : undefined),
      async (path) => (path.startsWith('targets/') ? randomBytes(100) : undefined),
      async () => Promise.reject(new TypeError('fetch failed')),
      async () => new Response('busy', { status: 503 }),
    ];
    for (const mirror of mirrors) {
      await rm(join(directory, 'manifests'), { recursive: true, force: true });
      await device(async (path, honest) => mirror(path, honest))
        .download({ version: second.version, digest: second.digest })
        .then(
          () => expect.fail('a mirror that serves nothing was enough'),
          (error: unknown) => expect(error).toMatchObject({ code: expect.stringMatching(/^RELEASE\./) as string }),
        );
    }
    expect((await device().download()).digest).toBe(second.digest);
  });

  it('mix and match: have an older document under the name of the newer', async () => {
    const olderSnapshot = JSON.parse(before.toString('utf8')) as { signed: Signed };
    const older = `metadata/${olderSnapshot.signed.meta['snapshot.json']?.version}.snapshot.json`;
    const attacked = device(async (path) => (path.endsWith('.snapshot.json') ? fileAt(older) : undefined));
    await expect(attacked.download()).rejects.toMatchObject(untrusted);
  });

  it('rollback: have a box go back to what was signed before', async () => {
    expect((await device().download()).digest).toBe(second.digest);
    const attacked = device(async (path) => (path === 'metadata/timestamp.json' ? before : undefined));
    await expect(attacked.download()).rejects.toMatchObject(untrusted);
  });

  it('key compromise: have a release taken with the online keys and one of the two offline keys that sign', async () => {
    const offline = await keysOf('targets');
    expect(offline).toHaveLength(2);
    const documents = await forgedRelease(offline.slice(0, 1));
    await expect(device(async (path) => documents.get(path)).download()).rejects.toMatchObject(untrusted);
    expect(asked.some((path) => path.endsWith('.releases.json') && documents.has(path))).toBe(true);
    // With both of them it would have been: it is the second that is missing.
    directory = join(folder, 'both-keys');
    const believed = await forgedRelease(offline);
    const error = await device(async (path) => believed.get(path))
      .download({ version: second.version, digest: 'b'.repeat(64) as PublishedRelease['digest'] })
      .catch((reason: unknown) => reason);
    expect(asked.some((path) => path.includes(`${'b'.repeat(64)}.manifest.json`))).toBe(true);
    expect(error).not.toMatchObject(untrusted);
  });

  it('wrong software: have a release run that was not ordered, or a model of another task', async () => {
    const order = { version: second.version, digest: second.digest };
    const manifestOf = (version: string): string | undefined =>
      asked.find((path) => path.startsWith(`targets/releases/${version}/`));
    await device().download({ version: first.version, digest: first.digest });
    const manifest = await fileAt(manifestOf(first.version) ?? '');
    const swapped = device(async (path) => (path.includes(`releases/${second.version}/`) ? manifest : undefined));
    await expect(swapped.download(order)).rejects.toMatchObject(corrupt);
    await expect(device().download({ ...order, digest: first.digest })).rejects.toMatchObject({
      code: expect.stringMatching(/^RELEASE\./) as string,
    });
    directory = join(folder, 'another-task');
    const model = await fileAt(asked.find((path) => path.includes('models/landmarks/')) ?? '');
    const crossed = device(async (path) => (path.includes('models/embedder/') ? model : undefined));
    await expect(crossed.download(order)).rejects.toMatchObject(corrupt);
  });

  // The last: afterwards the registry has another key.
  it('fast-forward: leave a box behind for good, once the stolen key is replaced', async () => {
    const stolen = await keysOf('timestamp');
    const far = forged(await fileAt('metadata/timestamp.json'), (signed) => (signed.version = 1_000_000), stolen);
    const attacked = device(async (path) => (path === 'metadata/timestamp.json' ? far : undefined));
    await expect(attacked.download()).resolves.toBeDefined();
    await expect(device().download()).rejects.toMatchObject(untrusted);
    const next = newKey();
    const repository = repositoryWith([...keys.signers, next]);
    await repository.changeKeys({ roles: ['timestamp'], add: next.publicKey });
    for (const { publicKey } of stolen) {
      await repository.changeKeys({ roles: ['timestamp'], remove: publicKey.keyID });
    }
    expect((await device().download()).digest).toBe(second.digest);
  });
});
