import { generateKeyPairSync } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { modelFilesOf } from '../bundle.js';
import { targetUrlPath } from '../targets-layout.js';
import { fakeRelease, ReleaseFixture } from '../testing/release-fixture.js';
import { createReleaseRepository, ReleaseRepository } from './release-repository.js';
import { openDemoKeys, roleKeyOf, type RepositoryKeys } from './role-keys.js';

const DAY = 86_400_000;

let fixture: ReleaseFixture;
beforeEach(async () => {
  fixture = await ReleaseFixture.create();
});
afterEach(() => fixture.remove());

const newRelease = (version: string) => fakeRelease(join(fixture.folder, 'models'), version, 1000);
const metadataFiles = () => readdir(join(fixture.repositoryDirectory, 'metadata'));

describe('a release repository', () => {
  it('signs the same release only once', async () => {
    const release = await newRelease('1.0.0');
    const first = await fixture.repository.publish(release);
    const files = await metadataFiles();
    expect(await fixture.repository.publish(release)).toEqual(first);
    expect(await metadataFiles()).toEqual(files);
    expect((await fixture.repository.releases()).map(({ digest }) => digest)).toEqual([first.digest]);
  });

  it('never signs two releases under one version', async () => {
    await fixture.repository.publish(await newRelease('1.0.0'));
    await expect(fixture.repository.publish(await newRelease('1.0.0'))).rejects.toMatchObject({
      code: 'RELEASE.VERSION_TAKEN',
    });
  });

  it('refuses a model file that is not what the manifest says, and signs nothing', async () => {
    const release = await newRelease('1.0.0');
    const [[, path] = ['', '']] = release.files;
    const good = await readFile(path);
    for (const bad of [good.subarray(0, -1), Buffer.alloc(good.length)]) {
      await writeFile(path, bad);
      await expect(fixture.repository.publish(release)).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
    }
    await expect(fixture.repository.publish({ ...release, files: new Map() })).rejects.toMatchObject({
      code: 'RELEASE.CORRUPT',
    });
    expect(await fixture.repository.releases()).toEqual([]);
  });

  it('finds files that were damaged on its disk, and puts them back', async () => {
    const release = await newRelease('1.0.0');
    const { manifest } = await fixture.repository.publish(release);
    const [file] = modelFilesOf(manifest);
    if (file === undefined) throw new Error('no model');
    const path = join(fixture.repositoryDirectory, 'targets', targetUrlPath(file.target, file.sha256 as never));
    await writeFile(path, 'damaged');
    expect(await fixture.repository.damagedTargets()).toEqual([file.target]);
    await expect(fixture.repository.restore(file.target, new Map())).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
    await fixture.repository.restore(file.target, new Map([[file.sha256, release.files.get(file.target) ?? '']]));
    expect(await fixture.repository.damagedTargets()).toEqual([]);
  });

  it('signs again at half of the validity, and not before', async () => {
    const due = await fixture.repository.keepFresh();
    const before = await metadataFiles();
    expect(due).toBeGreaterThan(Date.now() + 3.4 * DAY);
    expect(await metadataFiles()).toEqual(before);
    fixture.clock.advance(4 * DAY);
    expect(await fixture.repository.keepFresh()).toBeGreaterThan(fixture.clock.wallMs());
    expect((await metadataFiles()).length).toBeGreaterThan(before.length);
  });

  it('serves nothing that keys have signed which its root does not name', async () => {
    const strangers = await openDemoKeys(join(fixture.folder, 'strangers'));
    const options = { directory: fixture.repositoryDirectory, clock: fixture.clock };
    const repository = new ReleaseRepository(options, strangers);
    expect((await repository.publish(await newRelease('1.0.0'))).state).toBe('staged');
    expect(await repository.releases()).toEqual([]);
    const refusal = { code: 'RELEASE.KEY_INVALID' };
    await expect(repository.assertOnlineKeys()).rejects.toMatchObject(refusal);
    await expect(createReleaseRepository(options, strangers)).rejects.toMatchObject(refusal);
  });

  it('keeps its root when it is created again, and makes it anew after a creation that was interrupted', async () => {
    const directory = join(fixture.folder, 'second');
    const options = { directory, clock: fixture.clock };
    await createReleaseRepository(options, fixture.keys);
    const root = await new ReleaseRepository(options, fixture.keys).trustedRoot();
    await createReleaseRepository(options, fixture.keys);
    expect((await new ReleaseRepository(options, fixture.keys).trustedRoot()).equals(root)).toBe(true);
  });
});

describe('role keys', () => {
  it('are made once, in files that only their owner reads', async () => {
    const folder = join(fixture.folder, 'keys');
    const again = await openDemoKeys(folder);
    const ids = (keys: RepositoryKeys) => keys.signers.map(({ publicKey }) => publicKey.keyID);
    expect(ids(again)).toEqual(ids(fixture.keys));
    for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  });

  it('are Ed25519, and nothing else', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(() => roleKeyOf(privateKey)).toThrow(expect.objectContaining({ code: 'RELEASE.KEY_INVALID' }));
    await writeFile(join(fixture.folder, 'keys', 'offline-2.pem'), 'not a key');
    await expect(openDemoKeys(join(fixture.folder, 'keys'))).rejects.toMatchObject({ code: 'RELEASE.KEY_INVALID' });
  });
});
