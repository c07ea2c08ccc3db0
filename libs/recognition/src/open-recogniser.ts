import type { ReleaseManifest, VerifiedBundle } from '@sightline/contracts';
import { AppError, type Sha256, type SpaceId } from '@sightline/kernel';
import { encodeTemplate, type Template } from '@sightline/template-protection';
import { isShared, type Frame } from '@sightline/vision';

import { FrameBuffers } from './frame-buffers.js';
import type {
  DetectionResult,
  DetectOptions,
  EmbeddingResult,
  EmbedOptions,
  Face,
  LiveScores,
  Recogniser,
} from './recogniser.js';
import { startRecognitionPool, type ManifestModels, type RecognitionPool, type WorkerOptions } from './worker-pool.js';

/** What is run of a bundle. A program that recognises people takes it from a {@link VerifiedBundle} alone. */
export interface RecognitionBundle extends Pick<VerifiedBundle, 'read'> {
  readonly manifest: ManifestModels & Pick<ReleaseManifest, 'modelSpace'>;
}

export interface RecogniserOptions extends WorkerOptions {
  readonly bundle: RecognitionBundle;
}

/**
 * Loads a verified bundle's models into worker threads.
 *
 * @throws AppError `MODEL.INVALID`, `RELEASE.CORRUPT`
 */
export async function openRecogniser({ bundle, ...options }: RecogniserOptions): Promise<Recogniser> {
  const { manifest } = bundle;
  if (manifest.modelSpace.dimension !== manifest.embedder.spec.dimension) {
    throw new AppError('MODEL.INVALID', "The embedder has another dimension than the release's model space.");
  }
  const pool = await startRecognitionPool(manifest, (target) => bundle.read(target), options);
  const { providers, unavailable, scoresPresentations } = await pool.call('describe', null);
  for (const { provider, reason } of unavailable) {
    options.log?.warn({ provider, reason }, 'execution provider unavailable, the next one serves');
  }
  const facts = { provider: providers.join('+'), scoresPresentations, workers: options.workers ?? 1 };
  return new WorkerRecogniser(bundle, pool, facts);
}

interface RunFacts {
  readonly provider: string;
  readonly scoresPresentations: boolean;
  readonly workers: number;
}

class WorkerRecogniser implements Recogniser {
  readonly spaceId: SpaceId;
  readonly variantDigest: Sha256;
  readonly dimension: number;
  readonly provider: string;
  readonly scoresPresentations: boolean;
  readonly #pool: RecognitionPool;
  readonly #workers: number;
  readonly #buffers: FrameBuffers;

  constructor(
    { manifest }: RecognitionBundle,
    pool: RecognitionPool,
    { provider, scoresPresentations, workers }: RunFacts,
  ) {
    this.spaceId = manifest.modelSpace.id as SpaceId;
    this.variantDigest = manifest.embedder.sha256 as Sha256;
    this.dimension = manifest.modelSpace.dimension;
    this.provider = provider;
    this.scoresPresentations = scoresPresentations;
    this.#pool = pool;
    this.#workers = workers;
    this.#buffers = new FrameBuffers(workers + 1);
  }

  async detect(frame: Frame, { signal, ...options }: DetectOptions = {}): Promise<DetectionResult> {
    const { width, height, data } = frame;
    if (width < 1 || height < 1 || data.length !== width * height * 3) {
      throw new AppError('FRAME.INVALID', 'A frame has width × height pixels of three bytes.', {
        details: { width, height, bytes: data.length },
      });
    }
    const detect = (pixels: Uint8Array): Promise<DetectionResult> => {
      const call = { ...options, frame: { width, height, data: pixels } };
      return this.#pool.call('detect', call, signal && { signal });
    };
    if (isShared(frame)) return detect(data);
    const copy = this.#buffers.copyOf(data);
    const result = await detect(copy);
    // Only now: after a failure or an abort a worker may still be reading it.
    this.#buffers.giveBack(copy);
    return result;
  }

  async embed(
    faces: readonly Pick<Face, 'aligned' | 'quality'>[],
    { protector, codec, views = 'one', signal }: EmbedOptions,
  ): Promise<EmbeddingResult> {
    const shares = inShares(
      faces.map(({ aligned }) => aligned),
      this.#workers,
    );
    const answers = await Promise.all(
      shares.map((share) => this.#pool.call('embed', { faces: share, views }, signal && { signal })),
    );
    const embeddings = answers.flatMap((answer) => answer.embeddings);
    const { spaceId, variantDigest } = this;
    const templates = faces.map(({ quality }, index): Template => {
      const vector = embeddings[index] ?? new Float32Array();
      const origin = { spaceId, keyId: protector.keyId, variantDigest, codec, quality };
      return encodeTemplate(protector.protect(vector), origin);
    });
    return { templates, embedMs: answers.reduce((total, { embedMs }) => total + embedMs, 0) };
  }

  async liveScores(faces: readonly Pick<Face, 'surroundings'>[], signal?: AbortSignal): Promise<LiveScores> {
    if (!this.scoresPresentations) {
      throw new AppError('PRESENTATION.UNAVAILABLE', 'The recogniser was not opened to score presentations.');
    }
    const crops = faces.flatMap(({ surroundings }) => surroundings ?? []);
    if (crops.length < faces.length) {
      throw new AppError('PRESENTATION.UNAVAILABLE', 'A face has no surroundings: detect them with it.');
    }
    if (crops.length === 0) return { scores: [], presentationMs: 0 };
    return this.#pool.call('liveScores', { faces: crops }, signal && { signal });
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** Neighbours stay together, in at most `count` parts that differ by at most one: each is one call of a worker. */
function inShares<T>(values: readonly T[], count: number): T[][] {
  const shares = Math.min(count, values.length);
  return Array.from({ length: shares }, (_, share) =>
    values.slice(Math.ceil((share * values.length) / shares), Math.ceil(((share + 1) * values.length) / shares)),
  );
}
