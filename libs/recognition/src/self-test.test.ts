import type { ReleaseManifest, VerifiedBundle } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';
import { bundleOf, defaultBundle } from '@sightline/testing';
import { beforeAll, expect, test } from 'vitest';

import { computeSelfTest, runSelfTest } from './self-test.js';
import { syntheticFrame } from './synthetic-frame.js';

let bundle: VerifiedBundle;

beforeAll(async () => {
  const models = await defaultBundle();
  const selfTest = await computeSelfTest(models.manifest, (target) => models.read(target));
  bundle = bundleOf({ ...models.manifest, selfTest }, (target) => models.read(target));
});

async function outcome(candidate: VerifiedBundle): Promise<string> {
  return runSelfTest(candidate).then(
    () => 'passed',
    (error: unknown) => (error instanceof AppError ? `${error.code} ${String(error.details.model ?? '')}` : 'fault'),
  );
}

function changed(change: (manifest: ReleaseManifest) => Partial<ReleaseManifest>): VerifiedBundle {
  return bundleOf({ ...bundle.manifest, ...change(bundle.manifest) }, (target) => bundle.read(target));
}

/** One bit in each byte of one weight changed, behind the back of every digest. */
function withWeightChanged(target: string, place: number): VerifiedBundle {
  return bundleOf(bundle.manifest, async (wanted) => {
    const bytes = Uint8Array.from(await bundle.read(wanted));
    if (wanted === target) {
      const start = Math.floor(bytes.length * place);
      for (let at = start; at < start + 4; at++) bytes[at] = (bytes[at] ?? 0) ^ 0x40;
    }
    return bytes;
  });
}

test('the synthetic frame is the same for a seed and another for another', () => {
  const bytes = (seed: number): Buffer => Buffer.from(syntheticFrame(seed).data);
  expect(bytes(7).equals(bytes(7))).toBe(true);
  expect(bytes(7).equals(bytes(8))).toBe(false);
});

test('a release passes its own self-test', async () => {
  expect(await outcome(bundle)).toBe('passed');
});

test('swapped channels, another normalisation, fit or alignment template fail', async () => {
  const failed = 'RELEASE.SELF_TEST_FAILED';
  const { detector, landmarks, embedder, presentationAttack } = bundle.manifest;
  if (!presentationAttack) throw new Error('the default bundle has a presentation-attack model');
  const shifted = embedder.spec.alignmentTemplate.map(([x, y]) => [x + 4, y]) as typeof embedder.spec.alignmentTemplate;
  const cases: readonly (readonly [string, Partial<ReleaseManifest>])[] = [
    [
      'detector',
      { detector: { ...detector, spec: { ...detector.spec, input: { ...detector.spec.input, channels: 'bgr' } } } },
    ],
    [
      'detector',
      { detector: { ...detector, spec: { ...detector.spec, input: { ...detector.spec.input, mean: [0] } } } },
    ],
    ['detector', { detector: { ...detector, spec: { ...detector.spec, fit: 'contain' } } }],
    [
      'landmarks',
      { landmarks: { ...landmarks, spec: { ...landmarks.spec, input: { ...landmarks.spec.input, scale: [128] } } } },
    ],
    [
      'embedder',
      { embedder: { ...embedder, spec: { ...embedder.spec, input: { ...embedder.spec.input, channels: 'rgb' } } } },
    ],
    [
      'embedder',
      { embedder: { ...embedder, spec: { ...embedder.spec, input: { ...embedder.spec.input, scale: [255] } } } },
    ],
    ['embedder', { embedder: { ...embedder, spec: { ...embedder.spec, alignmentTemplate: shifted } } }],
    [
      'presentationAttack',
      { presentationAttack: { ...presentationAttack, spec: { ...presentationAttack.spec, cropScale: 2.5 } } },
    ],
  ];
  for (const [model, change] of cases) expect(await outcome(changed(() => change))).toBe(`${failed} ${model}`);
});

test('a model whose file is truncated, or has a weight changed, fails', async () => {
  const { detector, landmarks, embedder, presentationAttack } = bundle.manifest;
  const truncated = bundleOf(bundle.manifest, async (wanted) => (await bundle.read(wanted)).subarray(0, 100_000));
  expect(await outcome(truncated)).toBe('RELEASE.SELF_TEST_FAILED ');
  for (const model of [detector, landmarks, embedder, presentationAttack]) {
    expect(await outcome(withWeightChanged(model?.target ?? '', 0.6))).toContain('RELEASE.SELF_TEST_FAILED');
  }
});

test('thresholds of another variant, or others than when the self-test was made, fail', async () => {
  const { calibration } = bundle.manifest;
  const foreign = changed(() => ({ calibration: { ...calibration, variantDigest: '0'.repeat(64) } }));
  expect(await outcome(foreign)).toBe('RELEASE.SELF_TEST_FAILED ');
  const points = calibration.points.map((point) => ({ ...point, threshold: point.threshold - 0.02 }));
  const edited = { ...calibration, points };
  expect(await outcome(changed(() => ({ calibration: edited })))).toBe('RELEASE.SELF_TEST_FAILED ');
  const older = { ...bundle.manifest.selfTest, statement: undefined };
  expect(await outcome(changed(() => ({ calibration: edited, selfTest: older })))).toBe('passed');
});

test('a release passes with any number of threads, and however its graph is optimised', async () => {
  await expect(runSelfTest(bundle, { execution: { threads: 2, optimisation: 'disabled' } })).resolves.toBeUndefined();
});

test('a release from before the presentation-attack model was tested passes', async () => {
  const selfTest = { ...bundle.manifest.selfTest, presentationAttack: undefined };
  expect(await outcome(changed(() => ({ selfTest })))).toBe('passed');
});

test('a file that its store reports as corrupt keeps that code', async () => {
  const corrupt = bundleOf(bundle.manifest, () => Promise.reject(new AppError('RELEASE.CORRUPT', 'changed')));
  expect(await outcome(corrupt)).toBe('RELEASE.CORRUPT ');
});
