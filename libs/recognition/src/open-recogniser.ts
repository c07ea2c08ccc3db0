import type { VerifiedBundle } from '@sightline/contracts';
import { AppError, type Sha256, type SpaceId } from '@sightline/kernel';
import { encodeTemplate, type Template } from '@sightline/template-protection';
import type { Frame } from '@sightline/vision';

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
  return new WorkerRecogniser(bundle, pool, providers.join('+'));
}

class WorkerRecogniser implements Recogniser {
  readonly spaceId: SpaceId;
  readonly variantDigest: Sha256;
  readonly dimension: number;
  readonly provider: string;
  readonly #pool: RecognitionPool;

  constructor({ manifest }: VerifiedBundle, pool: RecognitionPool, provider: string) {
    this.spaceId = manifest.modelSpace.id as SpaceId;
    this.variantDigest = manifest.embedder.sha256 as Sha256;
    this.dimension = manifest.modelSpace.dimension;
    this.provider = provider;
    this.#pool = pool;
  }

  async detect({ width, height, data }: Frame, signal?: AbortSignal): Promise<DetectionResult> {
    if (width < 1 || height < 1 || data.length !== width * height * 3) {
      throw new AppError('FRAME.INVALID', 'A frame has width × height pixels of three bytes.', {
        details: { width, height, bytes: data.length },
      });
    }
    const copy = Uint8Array.from(data); // the caller keeps its frame; the copy is moved
    return this.#pool.call(
      'detect',
      { width, height, data: copy },
      { transfer: [copy.buffer], ...(signal && { signal }) },
    );
  }

  async embed(
    faces: readonly Pick<Face, 'aligned' | 'quality'>[],
    { protector, codec, signal }: EmbedOptions,
  ): Promise<EmbeddingResult> {
    const embedded = await Promise.all(
      faces.map(({ aligned }) => this.#pool.call('embed', aligned, signal ? { signal } : {})),
    );
    const { spaceId, variantDigest } = this;
    const templates = faces.map(({ quality }, index): Template => {
      const vector = embedded[index]?.embedding ?? new Float32Array();
      const origin = { spaceId, keyId: protector.keyId, variantDigest, codec, quality };
      return encodeTemplate(protector.protect(vector), origin);
    });
    return { templates, embedMs: embedded.reduce((total, { embedMs }) => total + embedMs, 0) };
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
