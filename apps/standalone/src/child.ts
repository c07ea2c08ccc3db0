import { terminationSignal } from '@sightline/kernel';

/**
 * The end of a child's life: a signal from the system, or the parent's death, since a parent that is gone can
 * no longer stop its children.
 */
export function endOfChild(): AbortSignal {
  const orphaned = new AbortController();
  process.once('disconnect', () => orphaned.abort(new Error('the parent process is gone')));
  return AbortSignal.any([terminationSignal(), orphaned.signal]);
}

/** Resolves once the signal has fired. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
