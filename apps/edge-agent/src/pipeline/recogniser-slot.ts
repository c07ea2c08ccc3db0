import { AppError, type Sha256 } from '@sightline/kernel';
import type { CalibrationPoint } from '@sightline/matching';
import type { Recogniser } from '@sightline/recognition';
import type { TemplateProtector } from '@sightline/template-protection';

/** A release that runs. */
export interface ActiveRelease {
  readonly version: string;
  /** Digest of the release manifest. */
  readonly digest: Sha256;
  readonly recogniser: Recogniser;
  /** The tenant's transform for this release's dimension. */
  readonly protector: TemplateProtector;
  /** Cosine from which on two tracks before one camera are taken for one person. */
  readonly samePersonThreshold: number;
  /** Thresholds as they were measured for it. */
  readonly calibration: readonly CalibrationPoint[];
}

interface Occupant {
  readonly release: ActiveRelease;
  users: number;
  retired: boolean;
}

/**
 * The place of the recogniser that runs. A swap lets the calls that are under way end with the old release
 * before that is closed; every later call gets the new one.
 */
export class RecogniserSlot {
  #occupant: Occupant | undefined;
  #waiting: (() => void)[] = [];

  get current(): ActiveRelease | undefined {
    return this.#occupant?.release;
  }

  /** Resolves once a release runs; rejects with the signal's reason. */
  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#occupant) return;
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(() => {
        signal.removeEventListener('abort', abort);
        resolve();
      });
    });
  }

  /**
   * Works with the release that runs now.
   *
   * @throws AppError `RELEASE.UNAVAILABLE` when none does
   */
  async use<T>(work: (release: ActiveRelease) => Promise<T>): Promise<T> {
    const occupant = this.#occupant;
    if (!occupant) throw new AppError('RELEASE.UNAVAILABLE', 'No release is active yet.', { retryable: true });
    occupant.users += 1;
    try {
      return await work(occupant.release);
    } finally {
      occupant.users -= 1;
      await closeIfUnused(occupant);
    }
  }

  /** Puts a release in the place of the one before. */
  async swap(release: ActiveRelease): Promise<void> {
    const before = this.#occupant;
    this.#occupant = { release, users: 0, retired: false };
    for (const wake of this.#waiting.splice(0)) wake();
    if (before) await retire(before);
  }

  async close(): Promise<void> {
    const before = this.#occupant;
    this.#occupant = undefined;
    if (before) await retire(before);
  }
}

async function retire(occupant: Occupant): Promise<void> {
  occupant.retired = true;
  await closeIfUnused(occupant);
}

async function closeIfUnused({ retired, users, release }: Occupant): Promise<void> {
  if (retired && users === 0) await release.recogniser.close();
}
