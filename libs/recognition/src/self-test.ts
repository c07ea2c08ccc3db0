import type { ReleaseManifest, SelfTest, VerifiedBundle } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';

import type { ModelProbe, SignedSums } from './self-test-probe.js';
import { startRecognitionPool, type ManifestModels, type WorkerOptions } from './worker-pool.js';

const SEED = 20_261_101;
/**
 * What other processors and kernels may change: between ONNX Runtime's optimisation levels the embedding's
 * cosine stays above 1 − 1e-9 and a sum moves by 1e-7 of the outputs' length. Wrong channels, normalisation
 * or alignment move them a hundred times further than these limits, a changed weight often.
 */
const MINIMUM_COSINE = 0.9999;
const RELATIVE_TOLERANCE = 2e-5;

type SelfTestOptions = Pick<WorkerOptions, 'providers' | 'log'>;

/**
 * What a release's manifest must say about its self-test: the models' answers on this machine.
 *
 * @param read the bytes of one of the manifest's files
 * @throws AppError `MODEL.INVALID`
 */
export async function computeSelfTest(
  manifest: Omit<ReleaseManifest, 'selfTest'>,
  read: (target: string) => Promise<Uint8Array> | Uint8Array,
): Promise<SelfTest> {
  const { detector, landmarks, embedding, presentationAttack } = await probe(manifest, read, SEED, {});
  return {
    seed: SEED,
    detector: expectedSums(detector),
    landmarks: expectedSums(landmarks),
    embedding: { values: rounded(embedding), minimumCosine: MINIMUM_COSINE },
    ...(presentationAttack && { presentationAttack: expectedSums(presentationAttack) }),
  };
}

/**
 * Runs a bundle's models on its self-test and compares.
 *
 * @throws AppError `RELEASE.SELF_TEST_FAILED` when a model cannot be loaded or answers otherwise,
 *   `RELEASE.CORRUPT` when a file is not the manifest's
 */
export async function runSelfTest(bundle: VerifiedBundle, options: SelfTestOptions = {}): Promise<void> {
  const { selfTest } = bundle.manifest;
  const actual = await probe(bundle.manifest, (target) => bundle.read(target), selfTest.seed, options).catch(
    (error: unknown) => {
      if (error instanceof AppError && error.code.startsWith('RELEASE.')) throw error;
      throw new AppError('RELEASE.SELF_TEST_FAILED', 'A model of the release does not run.', { cause: error });
    },
  );
  for (const model of ['detector', 'landmarks'] as const) {
    assertSums(model, selfTest[model], actual[model]);
  }
  // Releases from before it was tested have the model, and nothing to hold it against.
  if (selfTest.presentationAttack && actual.presentationAttack) {
    assertSums('presentationAttack', selfTest.presentationAttack, actual.presentationAttack);
  }
  const { values, minimumCosine } = selfTest.embedding;
  const similarity = cosine(values, actual.embedding);
  if (!(similarity >= minimumCosine)) throw failed('embedder', { cosine: similarity, minimumCosine });
}

async function probe(
  manifest: ManifestModels,
  read: (target: string) => Promise<Uint8Array> | Uint8Array,
  seed: number,
  options: SelfTestOptions,
): Promise<ModelProbe> {
  const pool = await startRecognitionPool(manifest, read, { ...options, presentationAttack: true });
  try {
    return await pool.call('probe', { seed });
  } finally {
    await pool.close();
  }
}

function assertSums(model: string, expected: SelfTest['detector'], { sums }: SignedSums): void {
  const { values, tolerance } = expected;
  const difference = largestDifference(values, sums);
  if (!(difference <= tolerance)) throw failed(model, { difference, tolerance });
}

function failed(model: string, facts: Readonly<Record<string, number>>): AppError {
  return new AppError('RELEASE.SELF_TEST_FAILED', `The ${model} does not answer as its release expects.`, {
    details: { model, ...facts },
  });
}

/** Five decimals: below every tolerance. */
function rounded(values: Float32Array | Float64Array): number[] {
  return Array.from(values, (value) => Math.round(value * 1e5) / 1e5);
}

function expectedSums({ sums, length }: SignedSums): { values: number[]; tolerance: number } {
  return { values: rounded(sums), tolerance: RELATIVE_TOLERANCE * Math.max(1, length) };
}

function largestDifference(expected: readonly number[], actual: Float64Array): number {
  if (expected.length !== actual.length) return Number.POSITIVE_INFINITY;
  return expected.reduce((largest, value, index) => {
    const difference = Math.abs(value - (actual[index] ?? Number.NaN));
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
  }, 0);
}

function cosine(expected: readonly number[], actual: Float32Array): number {
  if (expected.length !== actual.length) return Number.NaN;
  let dot = 0;
  let squares = 0;
  expected.forEach((value, index) => {
    dot += value * (actual[index] ?? 0);
    squares += value * value;
  });
  return dot / Math.sqrt(squares);
}
