import type { Sha256 } from '@sightline/kernel';
import { REWRITER_VERSION } from '@sightline/model-tools';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { defaultCatalog, modelTasks, type ModelCatalog } from './catalog.js';
import { fetchCatalogFiles } from './fetch-catalog-files.js';
import { importCatalogModels } from './import-catalog-models.js';
import { copyToStore, sharedStore } from './testing/model-store.js';

let storeDirectory: string;

beforeEach(async () => {
  storeDirectory = await mkdtemp(join(tmpdir(), 'sightline-import-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(storeDirectory, { recursive: true, force: true });
});

test('the imported models are those that the catalog pins, made by this rewriter', async () => {
  const models = await importCatalogModels({ storeDirectory: sharedStore });
  expect([...models.keys()]).toEqual(modelTasks);
  for (const task of modelTasks) {
    const bytes = models.get(task)?.bytes ?? new Uint8Array();
    const { imported, sha256, provenance } = defaultCatalog[task];
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(imported.sha256);
    expect(provenance.imported).toEqual({ from: sha256, rewriter: REWRITER_VERSION });
  }
  expect(defaultCatalog.calibration.variantDigest).toBe(defaultCatalog.embedder.imported.sha256);
});

test('a store with the imported models needs neither their source nor proof inputs', async () => {
  await copyToStore(await importCatalogModels({ storeDirectory: sharedStore }), storeDirectory);
  vi.stubEnv('npm_config_registry', 'http://127.0.0.1:9/');
  const proofInputs = vi.fn();
  const models = await importCatalogModels({ storeDirectory, proofInputs });
  expect(models.size).toBe(4);
  expect(proofInputs).not.toHaveBeenCalled();
});

test('a damaged model is imported again, to the same bytes', async () => {
  await copyToStore(await fetchCatalogFiles({ storeDirectory: sharedStore }), storeDirectory);
  await copyToStore(await importCatalogModels({ storeDirectory: sharedStore }), storeDirectory);
  const { sha256, bytes } = defaultCatalog.landmarks.imported;
  const path = join(storeDirectory, `${sha256}.onnx`);
  await writeFile(path, 'damaged');
  await importCatalogModels({ storeDirectory });
  expect((await readFile(path)).length).toBe(bytes);
  expect((await readdir(storeDirectory)).filter((name) => !name.endsWith('.onnx'))).toEqual([]);
});

test('an import that gives another file than the catalog pins, or fails its proof, is refused', async () => {
  await copyToStore(await fetchCatalogFiles({ storeDirectory: sharedStore }), storeDirectory);
  const before = await readdir(storeDirectory);
  const { detector } = defaultCatalog;
  const catalog: ModelCatalog = {
    ...defaultCatalog,
    detector: { ...detector, imported: { ...detector.imported, sha256: 'a'.repeat(64) as Sha256 } },
  };
  await expect(importCatalogModels({ storeDirectory, catalog })).rejects.toMatchObject({
    code: 'MODEL.INVALID',
    details: { model: 'detector', actual: detector.imported.sha256 },
  });
  const nothing = async () => new Map();
  await expect(importCatalogModels({ storeDirectory, proofInputs: nothing })).rejects.toMatchObject({
    code: 'MODEL.NOT_EQUIVALENT',
  });
  expect(await readdir(storeDirectory)).toEqual(before);
});
