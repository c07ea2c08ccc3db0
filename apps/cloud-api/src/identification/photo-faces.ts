import type { Clock, TenantId } from '@sightline/kernel';
import { decodeImage, type DetectOptions, type Face, type FaceViews, type StageMs } from '@sightline/recognition';
import type { Template, TemplateCodec } from '@sightline/template-protection';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';

import type { CloudApiConfig } from '../config.js';
import { Turnstile, type Turn } from '../http/turnstile.js';
import { CLOCK, CONFIG } from '../platform/tokens.js';
import type { CalibratedRelease } from '../releases/active-release.js';
import { Releases } from '../releases/releases.js';
import { TemplateKeys } from '../template-keys/template-keys.js';

/** Photos that wait to be decoded, of all clients together: a minute or two of work. */
const PHOTOS_WAITING = 512;
/** A photo's faces are few and kept as they were computed; devices send int8. */
const CODEC: TemplateCodec = 'float16';

interface PhotoEmbedOptions {
  readonly codec?: TemplateCodec;
  /** 'several' for templates that are kept. */
  readonly views?: FaceViews;
  readonly signal?: AbortSignal | undefined;
}

export interface DetectedFaces {
  readonly release: CalibratedRelease;
  /** Largest first. */
  readonly faces: readonly Face[];
  readonly stageMs: { readonly decode: number } & Omit<StageMs, 'embed'>;
}

/** Photo → faces → protected templates, with the active release. */
@Injectable()
export class PhotoFaces implements BeforeApplicationShutdown {
  readonly #decoded: Turnstile;

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) { inferenceWorkers }: CloudApiConfig,
    private readonly releases: Releases,
    private readonly templateKeys: TemplateKeys,
  ) {
    // One more than are detected at once, so that decoding goes on meanwhile. A decoded photo takes up to 192 MB, and
    // decoding keeps libuv's few threads from everything else, such as new connections to the database.
    this.#decoded = new Turnstile({ places: inferenceWorkers + 1, waiting: PHOTOS_WAITING, clock });
  }

  /** What is under way is finished; what waits is told to try again. */
  beforeApplicationShutdown(): void {
    this.#decoded.close();
  }

  /**
   * @param options `surroundings`: of faces whose live scores will be asked for
   * @throws AppError `IMAGE.*`, `RELEASE.UNAVAILABLE`, `REQUEST.RATE_LIMITED`, `SERVICE.UNAVAILABLE` (retryable)
   */
  detect(photo: Uint8Array, turn: Turn, options: Pick<DetectOptions, 'surroundings'> = {}): Promise<DetectedFaces> {
    return this.#decoded.pass(() => this.#detect(photo, { ...options, signal: turn.signal }), turn);
  }

  async #detect(photo: Uint8Array, options: DetectOptions): Promise<DetectedFaces> {
    const release = this.releases.current();
    const startedMs = this.clock.monotonicMs();
    const frame = await decodeImage(photo);
    const decode = this.clock.monotonicMs() - startedMs;
    const { faces, stageMs } = await release.recogniser.detect(frame, options);
    return { release, faces, stageMs: { decode, ...stageMs } };
  }

  /** One template for each face, under the tenant's key. */
  async embed(
    tenantId: TenantId,
    { recogniser }: CalibratedRelease,
    faces: readonly Face[],
    { codec = CODEC, views = 'one', signal }: PhotoEmbedOptions = {},
  ): Promise<{ readonly templates: readonly Template[]; readonly embedMs: number }> {
    if (faces.length === 0) return { templates: [], embedMs: 0 };
    const protector = await this.templateKeys.protector(tenantId, recogniser.dimension);
    return recogniser.embed(faces, { protector, codec, views, ...(signal && { signal }) });
  }
}
