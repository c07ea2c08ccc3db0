import { releaseManifestSchema } from '@sightline/contracts';
import { silentLogger, type Sha256 } from '@sightline/kernel';
import { fetchCatalogFiles } from '@sightline/model-catalog';
import { computeSelfTest, runSelfTest } from '@sightline/recognition';
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

import { buildDefaultRelease, defaultModelSources } from './default-release.js';

const modelStoreDirectory = fileURLToPath(new URL('../../../../node_modules/.cache/sightline/models', import.meta.url));
const options = { modelStoreDirectory, computeSelfTest, log: silentLogger };

describe('the default release', () => {
  it('has the same bytes whenever it is built, and passes its own self-test', async () => {
    const first = await buildDefaultRelease(options);
    const second = await buildDefaultRelease(options);
    expect(Buffer.from(second.manifestBytes).equals(Buffer.from(first.manifestBytes))).toBe(true);
    const manifest = releaseManifestSchema.parse(JSON.parse(Buffer.from(first.manifestBytes).toString('utf8')));
    const bundle = {
      manifest,
      digest: createHash('sha256').update(first.manifestBytes).digest('hex') as Sha256,
      read: async (target: string) => readFile(first.files.get(target) ?? ''),
    };
    await expect(runSelfTest(bundle)).resolves.toBeUndefined();
    const otherWay = { ...manifest.embedder.spec.input, channels: 'rgb' as const };
    const swapped = { ...manifest.embedder, spec: { ...manifest.embedder.spec, input: otherWay } };
    await expect(runSelfTest({ ...bundle, manifest: { ...manifest, embedder: swapped } })).rejects.toMatchObject({
      code: 'RELEASE.SELF_TEST_FAILED',
    });
  });

  it('is made of models that answer on real faces as their sources do', async () => {
    const fresh = await mkdtemp(join(tmpdir(), 'sightline-release-'));
    try {
      // The sources and the photographs; what is imported is left behind.
      const sources = await fetchCatalogFiles({ storeDirectory: modelStoreDirectory });
      for (const { path } of sources.values()) await copyFile(path, join(fresh, basename(path)));
      const proofs: unknown[] = [];
      const log = { ...silentLogger, info: (facts: object) => 'proof' in facts && proofs.push(facts) };
      await defaultModelSources({ modelStoreDirectory: fresh, log });
      const batch = { size: 4 };
      expect(proofs).toMatchObject([
        { model: 'detector', proof: { inputs: 6, tolerance: 1e-5, batch } },
        { model: 'landmarks', proof: { inputs: 22, tolerance: 1e-5, batch } },
        { model: 'embedder', proof: { inputs: 22, tolerance: 1e-5, batch } },
        { model: 'presentationAttack', proof: { inputs: 22, tolerance: 1e-5, batch } },
      ]);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  }, 60_000);

  it('has a source for each of its model files', async () => {
    const { files } = await buildDefaultRelease({
      ...options,
      computeSelfTest: async () => ({
        seed: 1,
        detector: { values: [0], tolerance: 1 },
        landmarks: { values: [0], tolerance: 1 },
        embedding: { values: [1], minimumCosine: 0.5 },
      }),
    });
    expect([...(await defaultModelSources(options)).values()].sort()).toEqual([...files.values()].sort());
  });
});
