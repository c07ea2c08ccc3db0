import type { ReleaseManifest } from '@sightline/contracts';
import { cosine, verificationAccuracy } from '@sightline/matching';
import { embedImages, type ImagePair, readDataSet, unprotected } from '@sightline/model-registry/evaluation';
import { decodeImage, openRecogniser, type Recogniser } from '@sightline/recognition';
import { decodeTemplate } from '@sightline/template-protection';
import { bundleOf, defaultBundle, samplePhotos } from '@sightline/testing';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

// Evaluation data that may not be copied into the repository: tests on it exist where it lies beside the clone, and always in CI.
const shared = fileURLToPath(new URL('../../../shared', import.meta.url));
const lfw = join(shared, 'lfw-dev');

let recogniser: Recogniser;
afterEach(() => recogniser.close());

test('the sample photos hold 22 faces, and one woman is recognised in two of them', async () => {
  recogniser = await openRecogniser({ bundle: await defaultBundle() });
  const people: { readonly photo: number; readonly vector: Float32Array }[] = [];
  for (const [photo, path] of samplePhotos().entries()) {
    const { faces } = await recogniser.detect(await decodeImage(await readFile(path)));
    const { templates } = await recogniser.embed(faces, { protector: unprotected, codec: 'float16' });
    people.push(...templates.map((template) => ({ photo, vector: decodeTemplate(template) })));
  }
  expect(people.length).toBe(22);
  const matches = people.flatMap((one, at) =>
    people
      .slice(at + 1)
      .filter((other) => cosine(one.vector, other.vector) > 0.5)
      .map((other) => [one.photo, other.photo]),
  );
  expect(matches).toEqual([[0, 2]]);
});

/** Accuracy on some of the verification pairs, each fold judged at the threshold of the others. */
async function verify(pairs: readonly ImagePair[]) {
  const { faces, missed } = await embedImages({
    recogniser,
    images: [...new Set(pairs.flatMap(({ one, other }) => [one, other]))],
    load: async (image) => decodeImage(await readFile(join(lfw, 'images', image))),
    onProgress: () => undefined,
  });
  const scored = pairs.map(({ fold, one, other, same }) => {
    const [first, second] = [faces.get(one), faces.get(other)];
    return { fold, same, score: first && second ? cosine(first.probe, second.probe) : -1 };
  });
  return { missed, accuracy: verificationAccuracy(scored).mean };
}

if (existsSync(lfw) || process.env.CI !== undefined) {
  test('on two folds of LFW the default bundle misses no face and verifies 99 % of the pairs', async () => {
    recogniser = await openRecogniser({ bundle: await defaultBundle() });
    const { missed, accuracy } = await verify((await readDataSet(lfw)).pairs.filter(({ fold }) => fold <= 2));
    expect(missed).toEqual([]);
    expect(accuracy).toBeGreaterThanOrEqual(0.99);
  });

  test('another detector and another embedder work by manifest alone', async () => {
    const base = await defaultBundle();
    const files = new Map<string, Uint8Array>();
    const entry = async (file: string) => {
      const bytes = await readFile(join(shared, 'models', file));
      files.set(file, bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { target: file, sha256, bytes: bytes.length };
    };
    const { detector, embedder } = base.manifest;
    const manifest: ReleaseManifest = {
      ...base.manifest,
      modelSpace: { id: 'mobilefacenet-128', dimension: 128 },
      detector: {
        ...detector,
        ...(await entry('yunet-n-dynamic.onnx')),
        spec: {
          decoder: 'yunet',
          input: { width: 320, height: 320, channels: 'bgr', mean: [0], scale: [1] },
          fit: 'contain',
          scoreThreshold: 0.6,
          nmsThreshold: 0.3,
        },
      },
      embedder: {
        ...embedder,
        ...(await entry('mobilefacenet-foamliu-128d.onnx')),
        spec: {
          dimension: 128,
          alignmentTemplate: embedder.spec.alignmentTemplate,
          // ImageNet's mean and standard deviation, RGB
          input: {
            ...embedder.spec.input,
            channels: 'rgb',
            mean: [123.675, 116.28, 103.53],
            scale: [58.395, 57.12, 57.375],
          },
        },
      },
    };
    const bundle = bundleOf(manifest, async (target) => files.get(target) ?? base.read(target));
    recogniser = await openRecogniser({ bundle });
    expect(recogniser.dimension).toBe(128);
    const some = (await readDataSet(lfw)).pairs.filter(({ fold }, index) => fold <= 2 && index % 4 === 0);
    const { missed, accuracy } = await verify(some);
    expect(missed).toEqual([]);
    expect(accuracy).toBeGreaterThanOrEqual(0.98);
  });
}
