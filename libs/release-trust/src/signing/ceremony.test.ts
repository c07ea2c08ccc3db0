import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { errorMessage, isAppError, systemClock } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ReleaseClient } from '../release-client.js';
import { FileServer } from '../testing/file-server.js';
import { formerRepository } from '../testing/former-repository.js';
import { fakeRelease, shiftedClock } from '../testing/release-fixture.js';
import { createReleaseRepository, ReleaseRepository } from './release-repository.js';
import { assignmentOf, onlineHolders, openDemoKeys, roleKeyOf, type RoleKey } from './role-keys.js';
import { signRequest } from './signing-request.js';

const DAY = 86_400_000;
const newKey = (): RoleKey => roleKeyOf(generateKeyPairSync('ed25519').privateKey);

let folder: string;
let server: FileServer;
let repository: ReleaseRepository;
const clock = shiftedClock();
const directory = (): string => join(folder, 'repository');
const options = () => ({ directory: directory(), clock });
const [rootA, rootB, rootC, targetsA, targetsB, targetsC] = [
  newKey(),
  newKey(),
  newKey(),
  newKey(),
  newKey(),
  newKey(),
];
const online = { snapshot: newKey(), timestamp: newKey() };
const two = (...keys: readonly RoleKey[]) => ({ keys: keys.map(({ publicKey }) => publicKey), threshold: 2 });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-ceremony-'));
  await mkdir(directory(), { recursive: true });
  server = await new FileServer(directory()).start();
  const holders = { root: two(rootA, rootB, rootC), targets: two(targetsA, targetsB, targetsC) };
  const keys = { signers: Object.values(online), assignment: assignmentOf({ ...holders, ...onlineHolders(online) }) };
  await createReleaseRepository(options(), keys);
  repository = new ReleaseRepository(options(), keys);
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What happens on the machine of whoever holds a key: nothing but the file goes there and comes back. */
const signElsewhere = async (key: RoleKey): Promise<string> =>
  signRequest((await repository.signingRequest()) ?? '', key).request;
const sign = async (...keys: readonly RoleKey[]): Promise<string[]> => {
  const states: string[] = [];
  for (const key of keys) states.push((await repository.addSignatures(await signElsewhere(key))).state);
  return states;
};
const publish = async (version: string) => repository.publish(await fakeRelease(join(folder, 'models'), version, 1000));
const device = async (name = 'device', root?: Buffer): Promise<ReleaseClient> =>
  new ReleaseClient({
    repositoryUrl: server.url,
    directory: join(folder, name),
    trustedRoot: root ?? (await repository.trustedRoot()),
    clock,
    download: { backoff: { baseMs: 1, capMs: 2 } },
  });

describe('a repository whose keys are elsewhere', () => {
  it('serves nothing until two of each have signed its beginning', async () => {
    await expect(repository.trustedRoot()).rejects.toThrow();
    expect(await sign(rootA, targetsA, targetsB)).toEqual(['staged', 'staged', 'staged']);
    expect((await repository.staged()).wants.filter(({ have, threshold }) => have < threshold)).toEqual([
      { role: 'root', have: 1, threshold: 2 },
    ]);
    expect(await sign(rootC)).toEqual(['published']);
    expect(await repository.staged()).toEqual({ releases: [], wants: [] });
  });

  it('keeps a release staged until two have signed it, and then gives it to devices', async () => {
    await sign(rootA, rootB, targetsA, targetsB);
    const { state, digest } = await publish('1.0.0');
    expect(state).toBe('staged');
    expect(await repository.releases()).toEqual([]);
    const box = await device();
    await expect(box.download()).rejects.toMatchObject({ code: 'RELEASE.NOT_FOUND' });
    expect(await sign(targetsA)).toEqual(['staged']);
    const { releases, wants } = await repository.staged();
    expect(releases).toEqual([{ version: '1.0.0', digest, channel: 'default' }]);
    expect(new Set(wants.map(({ have, threshold }) => `${have} of ${threshold}`))).toEqual(new Set(['1 of 2']));
    // The same signature again, and that of somebody who holds nothing here.
    expect(await sign(targetsA, newKey())).toEqual(['staged', 'staged']);
    expect(await sign(targetsC)).toEqual(['published']);
    expect((await box.download()).digest).toBe(digest);
  });

  it('has what waits signed anew when another release joins it, and takes no signature of before', async () => {
    await sign(rootA, rootB, targetsA, targetsB);
    await publish('1.0.0');
    const early = await signElsewhere(targetsA);
    await publish('1.1.0');
    await expect(repository.addSignatures(early)).rejects.toMatchObject({ code: 'RELEASE.OTHER_DOCUMENTS' });
    await expect(repository.addSignatures('{"formatVersion":1}')).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
    await sign(targetsA, targetsB);
    expect((await repository.releases()).map(({ version }) => version)).toEqual(['1.0.0', '1.1.0']);
  });

  it('forgets what was withdrawn', async () => {
    await sign(rootA, rootB, targetsA, targetsB);
    await publish('1.0.0');
    await repository.withdraw();
    expect(await repository.signingRequest()).toBeUndefined();
    expect((await publish('1.0.0')).state).toBe('staged');
  });

  it('renews what its own keys sign, and tells what it cannot renew', async () => {
    await sign(rootA, rootB, targetsA, targetsB);
    const renewable = (await repository.expiries()).filter(({ isRenewable }) => isRenewable);
    expect(renewable.map(({ role }) => role)).toEqual(['snapshot', 'timestamp']);
    await publish('1.0.0');
    clock.advance(16 * DAY);
    await repository.keepFresh();
    // What waits for signatures goes on waiting.
    expect((await repository.staged()).releases).toHaveLength(1);
    await expect((await device()).download()).rejects.toMatchObject({ code: 'RELEASE.NOT_FOUND' });
  });
});

describe('a change of keys', () => {
  beforeEach(async () => {
    await sign(rootA, rootB, targetsA, targetsB);
    await publish('1.0.0');
    await sign(targetsA, targetsB);
  });

  it('of the root is signed by the holders before and after, and devices follow it', async () => {
    const before = await repository.trustedRoot();
    const box = await device('device', before);
    await box.download();
    const next = newKey();
    await repository.changeKeys({ remove: rootA.publicKey.keyID, add: next.publicKey });
    expect(await sign(next, rootC)).toEqual(['staged', 'staged']);
    // Two of the new holders, of whom one alone was a holder before.
    expect((await repository.staged()).wants).toEqual([{ role: 'root', have: 1, threshold: 2 }]);
    expect(await sign(rootB)).toEqual(['published']);
    expect((await repository.trustedRoot()).equals(before)).toBe(false);
    await expect(box.download()).resolves.toBeDefined();
    // One that slept through it comes after with the root that it was given at its provisioning.
    await expect((await device('sleeper', before)).download()).resolves.toBeDefined();
  });

  it('revokes a key everywhere, and what it signs counts no more', async () => {
    const next = newKey();
    const state = await repository.changeKeys({ remove: targetsA.publicKey.keyID, add: next.publicKey });
    expect(state).toBe('staged');
    const roles = (await repository.staged()).wants.map(({ role }) => role);
    expect(roles).toContain('root');
    expect(roles).toContain('releases');
    expect(await sign(rootA, rootB, targetsB, next)).toEqual(['staged', 'staged', 'staged', 'published']);
    await publish('1.1.0');
    expect(await sign(targetsA, targetsB)).toEqual(['staged', 'staged']);
    expect((await repository.staged()).wants.every(({ have }) => have === 1)).toBe(true);
    expect(await sign(next)).toEqual(['published']);
    expect((await (await device()).download()).manifest.version).toBe('1.1.0');
  });

  it('gives one task keys of its own, which sign nothing else', async () => {
    const own = newKey();
    await repository.changeKeys({ roles: ['embedder'], add: own.publicKey });
    await repository.changeKeys({ roles: ['embedder'], remove: targetsA.publicKey.keyID });
    expect(await sign(targetsB, targetsA, own)).toEqual(['staged', 'staged', 'published']);
    await publish('1.1.0');
    await sign(own, targetsB);
    const open = (await repository.staged()).wants.filter(({ have, threshold }) => have < threshold);
    expect(open.map(({ role }) => role)).not.toContain('embedder');
    expect(open.map(({ role }) => role)).toContain('releases');
  });

  it('of the online roles takes effect with the key that is on this machine', async () => {
    const next = { snapshot: newKey(), timestamp: newKey() };
    repository = new ReleaseRepository(options(), { signers: [...Object.values(online), ...Object.values(next)] });
    await repository.changeKeys({ remove: online.snapshot.publicKey.keyID, add: next.snapshot.publicKey });
    await repository.changeKeys({ remove: online.timestamp.publicKey.keyID, add: next.timestamp.publicKey });
    expect(await sign(rootA, rootB)).toEqual(['staged', 'published']);
    const old = new ReleaseRepository(options(), { signers: Object.values(online) });
    clock.advance(20 * DAY);
    expect(await old.keepFresh()).toBe(Infinity);
    await repository.keepFresh();
    await expect((await device()).download()).resolves.toBeDefined();
  });

  it.each([
    ['would leave fewer keys than have to sign', { roles: ['root'], threshold: 4 } as const],
    ['names a key that nobody has', { remove: 'f'.repeat(64) }],
    ['takes a key from a role that has it not', { roles: ['root'], remove: targetsA.publicKey.keyID } as const],
  ])('is refused when it %s', async (_what, change) => {
    await expect(repository.changeKeys(change)).rejects.toMatchObject({ code: 'RELEASE.KEY_INVALID' });
    expect(await repository.signingRequest()).toBeUndefined();
  });
});

describe('a repository of before the thresholds', () => {
  it('gets them from the keys of the demonstration, and its devices and releases stay', async () => {
    const former = await formerRepository(join(folder, 'former'));
    const served = await new FileServer(former.directory).start();
    const box = new ReleaseClient({
      repositoryUrl: served.url,
      directory: join(folder, 'old-device'),
      trustedRoot: former.root,
      clock: systemClock,
    });
    const before = await box.download();
    const keys = await openDemoKeys(former.keys);
    const again = { directory: former.directory, clock: systemClock };
    await createReleaseRepository(again, keys);
    await createReleaseRepository(again, keys);
    const upgraded = new ReleaseRepository(again, keys);
    expect((await upgraded.releases()).map(({ digest }) => digest)).toEqual([before.digest]);
    expect((await box.download()).digest).toBe(before.digest);
    const newer = await upgraded.publish(await fakeRelease(join(folder, 'models'), '2.0.0', 1000));
    expect((await box.download()).digest).toBe(newer.digest);
    await served.stop();
  });

  it('is refused without its root key, with what can be done', async () => {
    const former = await formerRepository(join(folder, 'former'));
    await rm(join(former.keys, 'demo-root.pem'));
    const keys = await openDemoKeys(former.keys);
    const refusal = await createReleaseRepository({ directory: former.directory, clock: systemClock }, keys).catch(
      (error: unknown) => error,
    );
    expect(isAppError(refusal, 'RELEASE.KEY_INVALID')).toBe(true);
    expect(errorMessage(refusal)).toContain('demo-root.pem');
  });
});

it('a change that was interrupted before the timestamp is no part of the repository, and is made again', async () => {
  await sign(rootA, rootB, targetsA, targetsB);
  await publish('1.0.0');
  await sign(targetsA);
  const timestamp = join(directory(), 'metadata', 'timestamp.json');
  const pending = `${directory()}.pending.json`;
  const [before, waiting] = [await readFile(timestamp), await readFile(pending)];
  const last = await signElsewhere(targetsB);
  await repository.addSignatures(last);
  await writeFile(timestamp, before);
  await writeFile(pending, waiting);
  expect(await repository.releases()).toEqual([]);
  expect((await repository.addSignatures(last)).state).toBe('published');
  // What was published, but not forgotten before the power went, waits for nothing.
  await writeFile(pending, waiting);
  expect((await repository.staged()).releases).toEqual([]);
  expect((await (await device()).download()).manifest.version).toBe('1.0.0');
  expect((await readdir(folder)).filter((name) => name.endsWith('.lock'))).toEqual([]);
});
