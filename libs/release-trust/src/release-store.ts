import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { VerifiedBundle } from '@sightline/contracts';
import { writeFileDurably } from '@sightline/host';
import { AppError, ExclusiveRunner, type Clock, type Sha256 } from '@sightline/kernel';
import { z } from 'zod';

import { openBundle } from './bundle.js';

const activatedSchema = z.object({
  version: z.string(),
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .transform((text) => text as Sha256),
  activatedAt: z.iso.datetime(),
});

const pointerSchema = z.object({
  formatVersion: z.literal(1),
  current: activatedSchema,
  /** What ran before: the release to fall back on. */
  previous: activatedSchema.optional(),
});
type Pointer = z.infer<typeof pointerSchema>;

export interface ReleaseStoreOptions {
  /** The release directory, shared with `ReleaseClient`. */
  readonly directory: string;
  readonly clock: Pick<Clock, 'wallMs'>;
}

/**
 * Which release of a release directory is active.
 *
 * Invariant: `current.json` is replaced by one rename after a sync, so that whenever the power goes
 * the box starts with the release before or the release after, never with none and never with a mix.
 */
export class ReleaseStore {
  readonly #directory: string;
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #runner = new ExclusiveRunner();

  constructor({ directory, clock }: ReleaseStoreOptions) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** Makes a verified release the active one, and keeps the one before as `previous`. Idempotent. */
  activate(bundle: VerifiedBundle): Promise<void> {
    return this.#runner.run(async () => {
      // A damaged pointer must not keep a good release from becoming active.
      const before = await this.#readPointer().catch(() => undefined);
      if (before?.current.digest === bundle.digest) return;
      const pointer: Pointer = {
        formatVersion: 1,
        current: {
          version: bundle.manifest.version,
          digest: bundle.digest,
          activatedAt: new Date(this.#clock.wallMs()).toISOString(),
        },
        ...(before ? { previous: before.current } : {}),
      };
      await writeFileDurably(this.#pointerPath, `${JSON.stringify(pointer, null, 2)}\n`);
    });
  }

  /**
   * The active release, opened from disk; undefined before the first activation.
   *
   * @throws AppError `RELEASE.CORRUPT` when the pointer or the manifest that it names is damaged
   */
  async current(): Promise<VerifiedBundle | undefined> {
    const pointer = await this.#readPointer();
    return pointer && openBundle(this.#directory, pointer.current.digest);
  }

  /** The release that was active before this one, where there was one. */
  async previous(): Promise<VerifiedBundle | undefined> {
    const pointer = await this.#readPointer();
    return pointer?.previous && openBundle(this.#directory, pointer.previous.digest);
  }

  get #pointerPath(): string {
    return join(this.#directory, 'current.json');
  }

  async #readPointer(): Promise<Pointer | undefined> {
    let text: string;
    try {
      text = await readFile(this.#pointerPath, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      return pointerSchema.parse(JSON.parse(text));
    } catch (cause) {
      throw new AppError('RELEASE.CORRUPT', 'The pointer to the active release is damaged.', { cause });
    }
  }
}
