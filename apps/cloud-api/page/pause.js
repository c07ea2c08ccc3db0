/**
 * Waits, but no longer than until the browser says that it is online again.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>} also when aborted
 */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const waiting = new AbortController();
    const done = () => {
      clearTimeout(timer);
      waiting.abort();
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done, { signal: waiting.signal });
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { signal: waiting.signal });
  });
}
