/**
 * Runs tasks one at a time, in the order in which they were given.
 *
 * Invariants: no two tasks overlap; a task that fails does not stop the next; `idle()` resolves once
 * everything that was given before it has settled.
 */
export class ExclusiveRunner {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T> | T): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async idle(): Promise<void> {
    await this.#tail;
  }
}
