import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '@sightline/kernel';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { ReleaseStore } from './release-store.js';
import { ReleaseFixture } from './testing/release-fixture.js';

let fixture: ReleaseFixture;
let store: ReleaseStore;
const directory = (): string => fixture.deviceDirectory();

beforeAll(async () => {
  fixture = await ReleaseFixture.create();
  await fixture.publish('1.0.0', 1000);
  await fixture.publish('1.1.0', 1000);
});
afterAll(() => fixture.remove());
beforeEach(() => {
  store = new ReleaseStore({ directory: directory(), clock: systemClock });
});
afterEach(() => rm(join(directory(), 'current.json'), { force: true }));

const bundle = (version: string) => fixture.client().download({ version });

/** Another process that swaps the pointer as fast as it can. */
const activateForEver = `
  import { openBundle, ReleaseStore } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
  const [directory, ...digests] = process.argv.slice(1);
  const store = new ReleaseStore({ directory, clock: { wallMs: () => Date.now() } });
  const bundles = await Promise.all(digests.map((digest) => openBundle(directory, digest)));
  for (const bundle of bundles) await store.activate(bundle);
  console.log('ready');
  for (let index = 0; ; index += 1) await store.activate(bundles[index % bundles.length]);
`;

describe('a release store', () => {
  it('has no release before the first activation', async () => {
    expect(await store.current()).toBeUndefined();
    expect(await store.previous()).toBeUndefined();
  });

  it('keeps the release before the active one, over restarts', async () => {
    await store.activate(await bundle('1.0.0'));
    await store.activate(await bundle('1.1.0'));
    const reopened = new ReleaseStore({ directory: directory(), clock: systemClock });
    expect((await reopened.current())?.manifest.version).toBe('1.1.0');
    expect((await reopened.previous())?.manifest.version).toBe('1.0.0');
  });

  it('does not lose the previous release by activating the active one again', async () => {
    await store.activate(await bundle('1.0.0'));
    await store.activate(await bundle('1.1.0'));
    await store.activate(await bundle('1.1.0'));
    expect((await store.previous())?.manifest.version).toBe('1.0.0');
  });

  it('starts with the old release after a crash before the rename', async () => {
    await store.activate(await bundle('1.0.0'));
    // What a power cut leaves at that moment: a temporary file, whole or not, beside the pointer.
    await writeFile(join(directory(), 'current.json.tmp'), '{"formatVersion":1,"curr');
    expect((await store.current())?.manifest.version).toBe('1.0.0');
    await store.activate(await bundle('1.1.0'));
    expect((await store.current())?.manifest.version).toBe('1.1.0');
    expect(await readdir(directory())).not.toContain('current.json.tmp');
  });

  it('has one whole release after every SIGKILL of a process that activates', async () => {
    const digests = [(await bundle('1.0.0')).digest, (await bundle('1.1.0')).digest];
    for (let round = 0; round < 5; round += 1) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', activateForEver, directory(), ...digests], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      await systemClock.sleep(7 * round);
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(digests).toContain((await store.current())?.digest);
      expect(digests).toContain((await store.previous())?.digest);
    }
  });

  it('shows a concurrent reader the old pointer or the new, never a part', async () => {
    const [old, fresh] = [await bundle('1.0.0'), await bundle('1.1.0')];
    await store.activate(old);
    const written = new AbortController();
    const writing = (): boolean => !written.signal.aborted;
    const seen = new Set<string | undefined>();
    const reader = (async () => {
      while (writing()) seen.add((await store.current())?.manifest.version);
    })();
    for (let round = 0; round < 20; round += 1) await store.activate(round % 2 === 0 ? fresh : old);
    written.abort();
    await reader;
    expect([...seen].every((version) => version === '1.0.0' || version === '1.1.0')).toBe(true);
    expect((await readdir(directory())).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('reports a damaged pointer, and a new activation repairs it', async () => {
    await store.activate(await bundle('1.0.0'));
    await writeFile(join(directory(), 'current.json'), '{}');
    await expect(store.current()).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
    await store.activate(await bundle('1.1.0'));
    expect((await store.current())?.manifest.version).toBe('1.1.0');
  });

  it('does not let a pointer lead outside of the directory', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'sightline-outside-'));
    await store.activate(await bundle('1.0.0'));
    const path = join(directory(), 'current.json');
    const pointer = (await readFile(path, 'utf8')).replace(/"digest": "[0-9a-f]+"/, `"digest": "../../${outside}"`);
    await writeFile(path, pointer);
    await expect(store.current()).rejects.toMatchObject({ code: 'RELEASE.CORRUPT' });
    await rm(outside, { recursive: true });
  });
});
