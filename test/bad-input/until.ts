import { setTimeout as sleep } from 'node:timers/promises';

const WAIT_MS = 20_000;

/** Waits until something is there, 20 s by default. */
export async function until<T>(
  probe: () => T | undefined | Promise<T | undefined>,
  what: string,
  waitMs = WAIT_MS,
): Promise<T> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await sleep(20);
  }
}
