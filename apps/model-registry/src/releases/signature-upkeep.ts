import { errorMessage, type Clock, type Logger } from '@sightline/kernel';
import type { ReleaseRepository } from '@sightline/release-trust';

/** A wall clock may be set while we sleep on the monotonic one, and others publish: no sleep is longer, ms. */
const LONGEST_SLEEP_MS = 5000;
/** After a failure (a full disk), ms. */
const RETRY_MS = 60_000;

const DAY_MS = 86_400_000;
/** So long before its end it is told that a role has to be signed by its holders, once a day, ms. */
const WARNING_MS = 60 * DAY_MS;

export interface SignatureUpkeepOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Something was published, by whichever process. */
  readonly onPublished: () => Promise<void>;
}

/**
 * Signs the repository's metadata again in good time, until it is stopped: an expired timestamp would stop the
 * updates of the whole fleet. Tells what only the holders of offline keys can sign again, and what was published.
 */
export async function keepSignaturesFresh(
  repository: Pick<ReleaseRepository, 'keepFresh' | 'expiries' | 'revision'>,
  { clock, log, signal, onPublished }: SignatureUpkeepOptions,
): Promise<void> {
  const aborted = (): boolean => signal.aborted;
  let seen: number | undefined;
  let warnedMs = -Infinity;
  while (!aborted()) {
    let sleepMs = RETRY_MS;
    try {
      const dueMs = await repository.keepFresh();
      const revision = await repository.revision();
      if (seen !== revision) await onPublished();
      seen = revision;
      if (clock.wallMs() - warnedMs >= DAY_MS) {
        warnedMs = clock.wallMs();
        await warnOfExpiries(repository, clock, log);
      }
      sleepMs = Math.min(LONGEST_SLEEP_MS, Math.max(1000, dueMs - clock.wallMs()));
    } catch (error) {
      log.error({ reason: errorMessage(error) }, 'the release metadata could not be signed again');
    }
    await clock.sleep(sleepMs, signal).catch(() => undefined);
  }
}

async function warnOfExpiries(
  repository: Pick<ReleaseRepository, 'expiries'>,
  clock: Clock,
  log: Logger,
): Promise<void> {
  for (const { role, expiresMs, isRenewable } of await repository.expiries()) {
    if (isRenewable || expiresMs - clock.wallMs() > WARNING_MS) continue;
    const facts = { code: 'RELEASE.SIGNATURE_EXPIRES', role, until: new Date(expiresMs).toISOString() };
    log.warn(facts, 'the holders of this role have to sign it again, or devices take no more updates');
  }
}
