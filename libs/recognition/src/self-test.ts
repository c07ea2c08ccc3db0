import type { ReleaseManifest, SelfTest, VerifiedBundle } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';

import type { ModelProbe, SignedSums } from './self-test-probe.js';
import { statementDigest } from './self-test-statement.js';
import { startRecognitionPool, type ManifestModels, type WorkerOptions } from './worker-pool.js';

const SEED = 20_261_101;
/**
 * What other processors and kernels may change: between ONNX Runtime's optimisation levels the embedding's
 * cosine stays above 1 − 1e-9 and a sum moves by 1e-7 of the outputs' length. Wrong channels, normalisation
 * or alignment move them a hundred times further than these limits, a changed weight often.
 */
const MINIMUM_COSINE = 0.9999;
const RELATIVE_TOLERANCE = 2e-5;
/**
 * Integers round where floats do not, and a provider that computes a quantised model with floats rounds elsewhere: its
 * embedding's cosine is 1 − 2.6e-4 here. So a model is allowed four times what it differs by itself, when it runs as its
 * graph stands and when it runs optimised. Of a float model that is far below the limits above.
 */
const OWN_DIFFERENCE = 4;
const AS_IT_STANDS = { threads: 1, optimisation: 'disabled' } as const;

type SelfTestOptions = Pick<WorkerOptions, 'providers' | 'execution' | 'log'>;

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
  const other = await probe(manifest, read, SEED, { execution: AS_IT_STANDS });
  return {
    seed: SEED,
    detector: expectedSums(detector, other.detector),
    landmarks: expectedSums(landmarks, other.landmarks),
    embedding: { values: rounded(embedding), minimumCosine: minimumCosine(embedding, other.embedding) },
    ...(presentationAttack &&
      other.presentationAttack && { presentationAttack: expectedSums(presentationAttack, other.presentationAttack) }),
    statement: statementDigest(manifest),
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
  // Last: where a model answers otherwise, that is what is said.
  assertStatement(bundle.manifest);
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

/** Thresholds of another variant, and parts of another release, change no model's answer. */
function assertStatement(manifest: ReleaseManifest): void {
  const { selfTest, calibration, embedder } = manifest;
  if (calibration.variantDigest !== embedder.sha256) {
    throw new AppError('RELEASE.SELF_TEST_FAILED', "The release's thresholds are those of another embedder.");
  }
  if (selfTest.statement !== undefined && selfTest.statement !== statementDigest(manifest)) {
    throw new AppError(
      'RELEASE.SELF_TEST_FAILED',
      'The release states something else than when its self-test was made.',
    );
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

function expectedSums({ sums, length }: SignedSums, other: SignedSums): { values: number[]; tolerance: number } {
  const own = OWN_DIFFERENCE * largestDifference([...sums], other.sums);
  return { values: rounded(sums), tolerance: Math.max(RELATIVE_TOLERANCE * Math.max(1, length), own) };
}

/** To three decimals, downwards: the same on machines that round a little otherwise. */
function minimumCosine(embedding: Float32Array, other: Float32Array): number {
  const own = 1 - OWN_DIFFERENCE * (1 - cosine([...embedding], other));
  return own >= MINIMUM_COSINE ? MINIMUM_COSINE : Math.max(0, Math.floor(own * 1e3) / 1e3);
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
