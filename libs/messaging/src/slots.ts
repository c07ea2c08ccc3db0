/** A bounded number of places. Whoever finds none waits, first come, first served. */
export class Slots {
  #free: number;
  readonly #waiters = new Set<{ readonly take: () => void; readonly fail: (error: unknown) => void }>();
  #closed: { readonly error: unknown } | undefined;

  constructor(count: number) {
    this.#free = count;
  }

  /**
   * @returns what gives the place back; calling it twice does nothing more
   * @throws the signal's reason once it is aborted, or the error that `close` was given
   */
  async acquire(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#closed) throw this.#closed.error;
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    let held = true;
    return () => {
      if (held) this.#giveBack();
      held = false;
    };
  }

  /** Fails everybody who waits and everybody who comes later. */
  close(error: unknown): void {
    this.#closed = { error };
    for (const waiter of this.#waiters) waiter.fail(error);
    this.#waiters.clear();
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = {
        take: (): void => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
        fail: (error: unknown): void => {
          signal?.removeEventListener('abort', onAbort);
          reject(error instanceof Error ? error : new Error('closed', { cause: error }));
        },
      };
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        waiter.fail(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  #giveBack(): void {
    const [next] = this.#waiters;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiters.delete(next);
    next.take();
  }
}
