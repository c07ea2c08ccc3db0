import { terminationSignal } from '@sightline/kernel';

/**
 * The end of a child's life: SIGTERM, or the parent's death, since a parent that is gone can no longer stop its
 * children. A terminal's Ctrl-C reaches children as well as the parent; they leave it to the parent to stop them in its
 * order. A program that somebody started by hand has no parent, and ends at the first SIGINT or SIGTERM.
 */
export function endOfChild(): AbortSignal {
  if (!process.connected) return terminationSignal();
  const ended = new AbortController();
  process.on('SIGINT', () => undefined);
  // Once: a second one ends the process at once.
  process.once('SIGTERM', () => ended.abort(new Error('received SIGTERM')));
  process.once('disconnect', () => ended.abort(new Error('the parent process is gone')));
  return ended.signal;
}

/** Resolves once the signal has fired. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
