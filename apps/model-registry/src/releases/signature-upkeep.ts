import { errorMessage, type Clock, type Logger } from '@sightline/kernel';
import type { ReleaseRepository } from '@sightline/release-trust';

/** A wall clock may be set while we sleep on the monotonic one, so no sleep is longer than this, ms. */
const LONGEST_SLEEP_MS = 3_600_000;
/** After a failure (a full disk), ms. */
const RETRY_MS = 60_000;

/**
 * Signs the repository's metadata again in good time, until it is stopped. An expired timestamp would stop
 * the updates of the whole fleet.
 */
export async function keepSignaturesFresh(
  repository: Pick<ReleaseRepository, 'keepFresh'>,
  { clock, log, signal }: { readonly clock: Clock; readonly log: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const aborted = (): boolean => signal.aborted;
  while (!aborted()) {
    let sleepMs = RETRY_MS;
    try {
      const dueMs = await repository.keepFresh();
      sleepMs = Math.min(LONGEST_SLEEP_MS, Math.max(1000, dueMs - clock.wallMs()));
    } catch (error) {
      log.error({ reason: errorMessage(error) }, 'the release metadata could not be signed again');
    }
    await clock.sleep(sleepMs, signal).catch(() => undefined);
  }
}
