import type { VerifiedBundle } from '@sightline/contracts';
import { AppError, type Sha256, type SpaceId } from '@sightline/kernel';
import { encodeTemplate, type Template } from '@sightline/template-protection';
import { isShared, type Frame } from '@sightline/vision';

import { FrameBuffers } from './frame-buffers.js';
import type { DetectionResult, EmbeddingResult, EmbedOptions, Face, Recogniser } from './recogniser.js';
import { startRecognitionPool, type RecognitionPool, type WorkerOptions } from './worker-pool.js';

export interface RecogniserOptions extends WorkerOptions {
  readonly bundle: VerifiedBundle;
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
  const { providers, unavailable } = await pool.call('describe', null);
  for (const { provider, reason } of unavailable) {
    options.log?.warn({ provider, reason }, 'execution provider unavailable, the next one serves');
  }
  return new WorkerRecogniser(bundle, pool, providers.join('+'), options.workers ?? 1);
}

class WorkerRecogniser implements Recogniser {
  readonly spaceId: SpaceId;
  readonly variantDigest: Sha256;
  readonly dimension: number;
  readonly provider: string;
  readonly #pool: RecognitionPool;
  readonly #workers: number;
  readonly #buffers: FrameBuffers;

  constructor({ manifest }: VerifiedBundle, pool: RecognitionPool, provider: string, workers: number) {
    this.spaceId = manifest.modelSpace.id as SpaceId;
    this.variantDigest = manifest.embedder.sha256 as Sha256;
    this.dimension = manifest.modelSpace.dimension;
    this.provider = provider;
    this.#pool = pool;
    this.#workers = workers;
    this.#buffers = new FrameBuffers(workers + 1);
  }

  async detect(frame: Frame, signal?: AbortSignal): Promise<DetectionResult> {
    const { width, height, data } = frame;
    if (width < 1 || height < 1 || data.length !== width * height * 3) {
      throw new AppError('FRAME.INVALID', 'A frame has width × height pixels of three bytes.', {
        details: { width, height, bytes: data.length },
      });
    }
    if (isShared(frame)) return this.#pool.call('detect', { width, height, data }, signal && { signal });
    const copy = this.#buffers.copyOf(data);
    const result = await this.#pool.call('detect', { width, height, data: copy }, signal && { signal });
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
