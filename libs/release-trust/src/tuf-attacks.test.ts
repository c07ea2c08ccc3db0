import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { targetUrlPath } from './targets-layout.js';
import { ReleaseFixture, shiftedClock } from './testing/release-fixture.js';

const DAY = 86_400_000;
const untrusted = { code: 'RELEASE.UNTRUSTED' };

let fixture: ReleaseFixture;
beforeEach(async () => {
  fixture = await ReleaseFixture.create();
  await fixture.publish('1.0.0');
});
afterEach(() => fixture.remove());

const metadata = (name: string): string => join(fixture.repositoryDirectory, 'metadata', name);
const editJson = async (name: string, edit: (text: string) => string): Promise<void> => {
  await writeFile(metadata(name), edit(await readFile(metadata(name), 'utf8')));
};

/** What the attacks of the TUF specification (1.0.31, 1.5.2) come to on this client. */
describe('a repository cannot', () => {
  it('install something arbitrary: metadata that was edited is refused', async () => {
    await editJson('2.detector.json', (text) => text.replace('detector.onnx', 'attacker.onnx'));
    await expect(fixture.client().download()).rejects.toMatchObject(untrusted);
  });

  it('serve metadata that other keys have signed', async () => {
    const other = await ReleaseFixture.create();
    await other.publish('1.0.0');
    await rm(metadata(''), { recursive: true });
    await cp(join(other.repositoryDirectory, 'metadata'), metadata(''), { recursive: true });
    await other.remove();
    await expect(fixture.client().download()).rejects.toMatchObject(untrusted);
  });

  it('be trusted by a device that pinned another root', async () => {
    const other = await ReleaseFixture.create();
    const client = fixture.client({ trustedRoot: other.trustedRoot });
    await other.remove();
    await expect(client.download()).rejects.toMatchObject(untrusted);
  });

  it('roll back: an older signed state is refused, and the device keeps what it has', async () => {
    const before = join(fixture.folder, 'before');
    await cp(metadata(''), before, { recursive: true });
    const newer = await fixture.publish('1.1.0');
    expect((await fixture.client().download()).digest).toBe(newer.digest);
    await rm(metadata(''), { recursive: true });
    await cp(before, metadata(''), { recursive: true });
    await expect(fixture.client().download()).rejects.toMatchObject(untrusted);
    await expect(fixture.client().download()).rejects.toMatchObject(untrusted);
  });

  it('freeze: metadata that nobody signed again expires', async () => {
    await fixture.client().download();
    fixture.clock.advance(8 * DAY);
    await expect(fixture.client().download()).rejects.toMatchObject(untrusted);
    await fixture.repository.keepFresh();
    await expect(fixture.client().download()).resolves.toBeDefined();
  });

  it('freeze a box whose clock falls back: the latest time that was seen to be good still counts', async () => {
    fixture.clock.advance(6 * DAY);
    await fixture.client().download();
    const yesterday = shiftedClock();
    yesterday.advance(-DAY);
    // Valid for one more day by the mark, for eight by the box's own clock.
    await expect(fixture.client({ clock: yesterday }).download()).resolves.toBeDefined();
    const marks = join(fixture.deviceDirectory(), 'metadata');
    const [pin = ''] = await readdir(marks);
    expect(Number(await readFile(join(marks, pin, 'high-water-ms'), 'utf8'))).toBeGreaterThan(Date.now() + 5 * DAY);
    await writeFile(join(marks, pin, 'high-water-ms'), String(Date.now() + 8 * DAY));
    await expect(fixture.client({ clock: yesterday }).download()).rejects.toMatchObject(untrusted);
  });

  it('poison a box whose clock runs ahead: a time that nothing was valid at is not remembered', async () => {
    await fixture.client().download();
    const future = shiftedClock();
    future.advance(20 * 365 * DAY);
    await expect(fixture.client({ clock: future }).download()).rejects.toMatchObject(untrusted);
    await expect(fixture.client().download()).resolves.toBeDefined();
  });

  it('mix and match: an old snapshot under the new name is refused', async () => {
    await fixture.publish('1.1.0');
    await cp(metadata('2.snapshot.json'), metadata('3.snapshot.json'));
    await expect(fixture.client().download()).rejects.toMatchObject(untrusted);
  });

  it('send endless metadata', async () => {
    await editJson('timestamp.json', (text) => text + ' '.repeat(20_000));
    await expect(fixture.client().download()).rejects.toMatchObject(untrusted);
  });

  it('serve a manifest or a model of which one byte was changed', async () => {
    const [release] = await fixture.repository.releases();
    if (release === undefined) throw new Error('no release');
    const { target, sha256 } = release.manifest.embedder;
    for (const [name, digest] of [
      [release.manifestTarget, release.digest] as const,
      [target, sha256 as typeof release.digest] as const,
    ]) {
      const path = join(fixture.repositoryDirectory, 'targets', targetUrlPath(name, digest));
      const good = await readFile(path);
      const bad = Buffer.from(good);
      bad[10] = (bad[10] ?? 0) ^ 1;
      await writeFile(path, bad);
      await expect(fixture.client().download()).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
      await writeFile(path, good);
    }
    await expect(fixture.client().download()).resolves.toBeDefined();
  });

  it('make a client write outside of its folder', async () => {
    await fixture.client().download();
    expect((await readdir(fixture.folder)).sort()).toEqual(['device', 'keys', 'models', 'repository']);
  });

  it('confuse a device that has a damaged cache: it starts from the pinned root', async () => {
    await fixture.client().download();
    const cache = join(fixture.deviceDirectory(), 'metadata');
    const [pin = ''] = await readdir(cache);
    for (const name of ['root.json', 'timestamp.json', 'snapshot.json', 'targets.json', 'high-water-ms']) {
      await writeFile(join(cache, pin, name), 'not what it was');
      await expect(fixture.client().download()).resolves.toBeDefined();
      await rm(join(cache, pin, name));
      await mkdir(join(cache, `${pin}.refresh`), { recursive: true });
      await expect(fixture.client().download()).resolves.toBeDefined();
    }
  });

  it('be of use half written: a device falls back on what is left of a crash while signing', async () => {
    // The new targets and snapshot are there, the timestamp does not name them yet.
    const timestamp = await readFile(metadata('timestamp.json'));
    await fixture.publish('1.1.0');
    await writeFile(metadata('timestamp.json'), timestamp);
    expect((await fixture.client().download()).manifest.version).toBe('1.0.0');
    await fixture.publish('1.2.0');
    expect((await fixture.client().download()).manifest.version).toBe('1.2.0');
  });
});
