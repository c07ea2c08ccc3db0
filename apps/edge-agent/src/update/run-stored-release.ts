import type { VerifiedBundle } from '@sightline/contracts';
import type { Logger, Sha256 } from '@sightline/kernel';
import type { ReleaseStore } from '@sightline/release-trust';

import type { ActiveRelease, RecogniserSlot } from '../pipeline/recogniser-slot.js';
import { describeFailure } from './describe-failure.js';

export interface StoredReleaseOptions {
  readonly store: Pick<ReleaseStore, 'current' | 'previous' | 'slots' | 'burnBoot' | 'rollBack'>;
  readonly slot: RecogniserSlot;
  readonly log: Logger;
}

/** What a start found. */
export interface StartOutcome {
  readonly running?: ActiveRelease;
  readonly onProbation: boolean;
  /** The release that was active and does not run any more, and why. */
  readonly failed?: { readonly digest: Sha256 | undefined; readonly error: string };
}

/**
 * Runs the release that was active before this start, or else the one before it; needs no network. A release on
 * probation pays for the start with one of its boots before anything of it is opened, so that one that ends the
 * process is given up in the end.
 */
export async function runStoredRelease(
  { store, slot, log }: StoredReleaseOptions,
  open: (bundle: VerifiedBundle) => Promise<ActiveRelease>,
): Promise<StartOutcome> {
  const { current: digest } = await store.slots().catch(() => ({ current: undefined }));
  // A disk that takes no more must not keep the box from working: then the start is free.
  const hasBoots = await store.burnBoot().catch(() => true);
  let failed = hasBoots ? undefined : { digest, error: 'RELEASE.GIVEN_UP' };
  if (failed) log.error({ code: failed.error, digest }, 'the release on probation did not outlive its starts');
  for (const which of hasBoots ? (['current', 'previous'] as const) : (['previous'] as const)) {
    try {
      const bundle = await store[which]();
      if (!bundle) continue;
      const running = await open(bundle);
      if (which === 'previous') await store.rollBack().catch((failure: unknown) => warnOf(log, failure));
      await slot.swap(running);
      const { version, recogniser } = running;
      log.info({ release: version, digest: running.digest, provider: recogniser.provider }, 'release runs');
      const { bootsLeft } = await store.slots();
      return { running, onProbation: bootsLeft !== undefined, ...(failed && { failed }) };
    } catch (failure) {
      const facts = describeFailure(failure);
      failed ??= { digest, error: facts.code };
      log.error({ ...facts, which }, 'a stored release does not run');
    }
  }
  return { onProbation: false, ...(failed && { failed }) };
}

function warnOf(log: Logger, failure: unknown): void {
  log.error(describeFailure(failure), 'the pointer to the release before could not be written');
}
