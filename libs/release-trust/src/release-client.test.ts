import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { isAppError } from '@sightline/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { blobPath, modelFilesOf, openBundle } from './bundle.js';
import { ReleaseFixture } from './testing/release-fixture.js';

let fixture: ReleaseFixture;
beforeEach(async () => {
  fixture = await ReleaseFixture.create();
});
afterEach(() => fixture.remove());

describe('a release client', () => {
  it('brings a signed release here and reads back every model', async () => {
    const published = await fixture.publish('1.0.0');
    const progress: number[] = [];
    const bundle = await fixture
      .client()
      .download({}, { onProgress: ({ receivedBytes }) => progress.push(receivedBytes) });
    expect(bundle.digest).toBe(published.digest);
    for (const file of modelFilesOf(bundle.manifest)) expect((await bundle.read(file.target)).length).toBe(file.bytes);
    expect(progress.at(-1)).toBe(600_000);
  });

  it.each([
    ['version', () => ({ version: '1.0.0' })],
    ['digest', (digest: string) => ({ digest: digest as never })],
    ['channel', () => ({ channel: 'default' })],
  ])('finds a release by %s', async (_by, selector) => {
    const published = await fixture.publish('1.0.0');
    expect((await fixture.client().download(selector(published.digest))).digest).toBe(published.digest);
  });

  it('refuses a version that is signed with another digest than the one asked for', async () => {
    await fixture.publish('1.0.0');
    const other = (await fixture.publish('1.1.0')).digest;
    await expect(fixture.client().download({ version: '1.0.0', digest: other })).rejects.toMatchObject({
      code: 'RELEASE.UNTRUSTED',
    });
  });

  it('says so when the repository has no such release or channel', async () => {
    await fixture.publish('1.0.0');
    await expect(fixture.client().download({ version: '9.0.0' })).rejects.toMatchObject({ code: 'RELEASE.NOT_FOUND' });
    await expect(fixture.client().download({ channel: 'x' })).rejects.toMatchObject({ code: 'RELEASE.NOT_FOUND' });
  });

  it('asks for no model again that is here already', async () => {
    await fixture.publish('1.0.0');
    await fixture.client().download();
    fixture.server.requests.length = 0;
    await fixture.client().download();
    expect(fixture.server.requests.filter(({ url }) => url.startsWith('/targets/'))).toEqual([]);
  });

  it('goes on where a download stopped in an earlier process', async () => {
    await fixture.publish('1.0.0', 2_000_000);
    const controller = new AbortController();
    const onProgress = ({ receivedBytes }: { receivedBytes: number }): void => {
      if (receivedBytes > 0) controller.abort(new Error('the box is switched off'));
    };
    const stopped = fixture.client().download({}, { signal: controller.signal, onProgress });
    await expect(stopped).rejects.toThrow('switched off');
    fixture.server.requests.length = 0;
    const bundle = await fixture.client().download();
    const resumed = fixture.server.requests.filter(({ range }) => range !== undefined);
    expect(resumed.map(({ url }) => url.split('.').at(-2))).toEqual(['detector']);
    for (const file of modelFilesOf(bundle.manifest)) expect((await bundle.read(file.target)).length).toBe(file.bytes);
  });

  it('works with a repository that is away, as a retryable error, and keeps what it has', async () => {
    const { digest } = await fixture.publish('1.0.0');
    await fixture.client().download();
    await fixture.server.stop();
    await expect(fixture.client().download()).rejects.toMatchObject({ code: 'RELEASE.UNREACHABLE', retryable: true });
    expect((await openBundle(fixture.deviceDirectory(), digest)).digest).toBe(digest);
  });

  it('refuses a model that was truncated or changed on disk, and repairs it by the next download', async () => {
    await fixture.publish('1.0.0');
    const bundle = await fixture.client().download();
    const { target, sha256 } = bundle.manifest.embedder;
    const path = blobPath(fixture.deviceDirectory(), sha256);
    const good = await readFile(path);
    const changed = Buffer.from(good);
    changed[7] = (changed[7] ?? 0) ^ 1;
    for (const bad of [changed, good.subarray(0, -1)]) {
      await writeFile(path, bad);
      await expect(bundle.read(target)).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
      await fixture.client().download();
      expect(Buffer.from(await bundle.read(target)).equals(good)).toBe(true);
    }
  });

  it('refuses a manifest that was changed on disk', async () => {
    const { digest } = await fixture.publish('1.0.0');
    await fixture.client().download();
    const path = join(fixture.deviceDirectory(), 'releases', digest, 'manifest.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('0.65', '0.05'));
    await expect(openBundle(fixture.deviceDirectory(), digest)).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
  });

  it('refuses a digest that is no digest before it becomes a path', async () => {
    const error: unknown = await openBundle(fixture.deviceDirectory(), '../../etc' as never).catch((e: unknown) => e);
    expect(isAppError(error, 'RELEASE.CORRUPT')).toBe(true);
  });

  it('starts from the pinned root again when the cached one is damaged', async () => {
    const { digest } = await fixture.publish('1.0.0');
    await fixture.client().download();
    const [pin = ''] = await readdir(join(fixture.deviceDirectory(), 'metadata'));
    await writeFile(join(fixture.deviceDirectory(), 'metadata', pin, 'root.json'), '{"signed":');
    expect((await fixture.client().download()).digest).toBe(digest);
  });
});
