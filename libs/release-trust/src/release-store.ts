import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { VerifiedBundle } from '@sightline/contracts';
import { writeFileDurably } from '@sightline/host';
import { AppError, ExclusiveRunner, type Clock, type Sha256 } from '@sightline/kernel';
import { z } from 'zod';

import { openBundle } from './bundle.js';
import { storageFailed } from './storage-failed.js';

const slotSchema = z.object({
  version: z.string(),
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .transform((text) => text as Sha256),
});

const activatedSchema = slotSchema.extend({ activatedAt: z.iso.datetime() });

const pointerSchema = z.object({
  formatVersion: z.literal(1),
  current: activatedSchema.optional(),
  /** What ran before: the release to fall back on. */
  previous: activatedSchema.optional(),
  /** What is whole and verified here and may be activated next. */
  staged: slotSchema.optional(),
  /** There while the current release is on probation. */
  probation: z.object({ bootsLeft: z.number().int().min(0) }).optional(),
});
type Pointer = z.infer<typeof pointerSchema>;

/** The slots of a release directory, by digest. */
export interface ReleaseSlots {
  readonly current?: Sha256 | undefined;
  readonly previous?: Sha256 | undefined;
  readonly staged?: Sha256 | undefined;
  /** Starts that the current release has left before it is given up; undefined when it is not on probation. */
  readonly bootsLeft?: number | undefined;
}

export interface ReleaseStoreOptions {
  /** The release directory, shared with `ReleaseClient`. */
  readonly directory: string;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** Opens a release by its digest. Default: from the directory. */
  readonly open?: (digest: Sha256) => Promise<VerifiedBundle>;
}

/**
 * Which release of a release directory is active, which one was before, and which one may be next.
 *
 * Invariant: `current.json` is replaced by one rename after a sync, so that whenever the power goes
 * the box starts with the release before or the release after, never with none and never with a mix. Probation
 * is a part of that file: the swap and the beginning of the probation are one step.
 */
export class ReleaseStore {
  readonly #directory: string;
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #open: (digest: Sha256) => Promise<VerifiedBundle>;
  readonly #runner = new ExclusiveRunner();

  constructor({ directory, clock, open }: ReleaseStoreOptions) {
    this.#directory = directory;
    this.#clock = clock;
    this.#open = open ?? ((digest) => openBundle(directory, digest));
  }

  /** Notes a verified release as the next one. Nothing runs otherwise for it. Idempotent. */
  stage(bundle: VerifiedBundle): Promise<void> {
    return this.#change((before) => ({
      ...(before ?? { formatVersion: 1 }),
      staged: { version: bundle.manifest.version, digest: bundle.digest },
    }));
  }

  /**
   * Makes a verified release the active one, and keeps the one before as `previous`. Idempotent. What is still on
   * probation never becomes `previous`: the fall-back has passed its own.
   *
   * @param probationBoots so many starts the release has until {@link commit}; none: it is committed at once. A
   *   release that nothing ran before is committed at once too, since there is nothing to go back to.
   */
  activate(bundle: VerifiedBundle, probationBoots?: number): Promise<void> {
    return this.#change((before) => {
      if (before?.current?.digest === bundle.digest) return undefined;
      const previous = before?.probation ? before.previous : before?.current;
      return {
        formatVersion: 1,
        current: {
          version: bundle.manifest.version,
          digest: bundle.digest,
          activatedAt: new Date(this.#clock.wallMs()).toISOString(),
        },
        ...(previous && { previous }),
        ...(previous && probationBoots !== undefined && { probation: { bootsLeft: probationBoots } }),
      };
    });
  }

  /** Takes one start from a release on probation, before it is run; whether it had one left. */
  async burnBoot(): Promise<boolean> {
    let isLeft = true;
    await this.#change((before) => {
      if (!before?.probation) return undefined;
      const { bootsLeft } = before.probation;
      isLeft = bootsLeft > 0;
      return isLeft ? { ...before, probation: { bootsLeft: bootsLeft - 1 } } : undefined;
    });
    return isLeft;
  }

  /** Ends the probation of the release of this digest well. Does nothing for another one. */
  commit(digest: Sha256): Promise<void> {
    return this.#change((before) => {
      if (!before?.probation || before.current?.digest !== digest) return undefined;
      return { ...before, probation: undefined };
    });
  }

  /** Makes the release before the active one, and forgets the one that was. Does nothing when there is none. */
  rollBack(): Promise<void> {
    return this.#change((before) => before?.previous && { formatVersion: 1, current: before.previous });
  }

  /** @throws AppError `RELEASE.CORRUPT` when the pointer is damaged */
  async slots(): Promise<ReleaseSlots> {
    const pointer = await this.#readPointer();
    return {
      current: pointer?.current?.digest,
      previous: pointer?.previous?.digest,
      staged: pointer?.staged?.digest,
      bootsLeft: pointer?.probation?.bootsLeft,
    };
  }

  /**
   * The active release, opened from disk; undefined before the first activation.
   *
   * @throws AppError `RELEASE.CORRUPT` when the pointer or the manifest that it names is damaged
   */
  async current(): Promise<VerifiedBundle | undefined> {
    const { current } = await this.slots();
    return current && this.#open(current);
  }

  /** The release that was active before this one, where there was one. */
  async previous(): Promise<VerifiedBundle | undefined> {
    const { previous } = await this.slots();
    return previous && this.#open(previous);
  }

  get #pointerPath(): string {
    return join(this.#directory, 'current.json');
  }

  /** Replaces the pointer by what `next` makes of it; undefined: leaves it. */
  #change(next: (before: Pointer | undefined) => Pointer | undefined): Promise<void> {
    return this.#runner.run(async () => {
      // A damaged pointer must not keep a good release from becoming active.
      const before = await this.#readPointer().catch(() => undefined);
      const after = next(before);
      if (!after) return;
      await writeFileDurably(this.#pointerPath, `${JSON.stringify(after, null, 2)}\n`).catch((cause: unknown) => {
        throw storageFailed(cause);
      });
    });
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
