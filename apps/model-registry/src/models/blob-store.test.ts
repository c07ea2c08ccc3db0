import { mkdtemp, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import type { Sha256 } from '@sightline/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { BlobStore } from './blob-store.js';

let folder: string;
let blobs: BlobStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightline-blobs-'));
  blobs = new BlobStore(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const put = (text: string, largest = 100, expected?: Sha256) =>
  blobs.put(Readable.from([Buffer.from(text)]), largest, expected);

describe('the blobs', () => {
  it('are kept once under their digest, and read back whole', async () => {
    const { sha256, bytes } = await put('a model');
    expect(await put('a model')).toEqual({ sha256, bytes });
    expect(Buffer.from(await blobs.read(sha256)).toString()).toBe('a model');
    expect(await readdir(join(folder, sha256.slice(0, 2)))).toEqual([sha256]);
  });

  it('leave nothing behind of what is too large, breaks off or is another file', async () => {
    const before = await readdir(folder);
    await expect(put('x'.repeat(101))).rejects.toMatchObject({ code: 'REQUEST.TOO_LARGE' });
    await expect(put('x', 100, 'f'.repeat(64) as Sha256)).rejects.toMatchObject({ code: 'MODEL.INVALID' });
    const broken = Readable.from(
      (async function* () {
        yield await Promise.resolve(Buffer.from('half'));
        throw new Error('gone');
      })(),
    );
    await expect(blobs.put(broken, 100)).rejects.toThrow('gone');
    expect(await readdir(folder)).toEqual(before);
  });

  it('tell damage, and are put back by the same file', async () => {
    const { sha256 } = await put('another model');
    await truncate(blobs.path(sha256), 3);
    await expect(blobs.read(sha256)).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
    await put('another model');
    expect((await blobs.read(sha256)).length).toBe(13);
  });

  it('are collected when nobody names them and they are a day old', async () => {
    const [named, unnamed, young] = [await put('named'), await put('unnamed'), await put('young')];
    const part = blobs.partPath();
    await writeFile(part, 'left by a crash');
    const nowMs = Date.now();
    const old = new Date(nowMs - 25 * 3_600_000);
    for (const path of [blobs.path(named.sha256), blobs.path(unnamed.sha256), part]) await utimes(path, old, old);
    expect(await blobs.collect(new Set([named.sha256]), nowMs)).toBe(2);
    await blobs.read(named.sha256);
    await blobs.read(young.sha256);
    await expect(blobs.read(unnamed.sha256)).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
  });
});
