import { backoffMs, errorMessage, isAppError, type Clock, type Logger } from '@sightline/kernel';

/**
 * Whether the same work may succeed later. Of the database's refusals only those of the data themselves (SQLSTATE
 * classes 22 and 23) are final: a full disk, for one, is not the record's fault.
 */
export function isTransient(error: unknown): boolean {
  if (!isAppError(error)) return false;
  if (error.retryable) return true;
  if (!error.code.startsWith('DATABASE.')) return false;
  return !/^2[23]/.test(String(error.details.sqlState ?? ''));
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** What is tried, for the log. */
  readonly what: string;
}

/**
 * Tries until it succeeds, with backoff, as long as the failure is transient.
 *
 * @throws the first failure that is not transient, or the signal's reason
 */
export async function untilStored<T>(task: () => Promise<T>, { clock, log, signal, what }: RetryOptions): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await task();
    } catch (error) {
      if (!isTransient(error)) throw error;
      log.warn({ attempt, error: errorMessage(error) }, `${what} waits and is tried again`);
      await clock.sleep(backoffMs(attempt, { baseMs: 100, capMs: 5000 }), signal);
    }
  }
}
