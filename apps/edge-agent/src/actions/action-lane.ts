/**
 * A queue of one rule's own: it runs a bounded number of jobs at a time and holds a bounded number back, so that
 * one slow receiver delays nobody else.
 */
export class ActionLane {
  readonly #concurrency: number;
  readonly #queueLimit: number;
  readonly #queue: (() => Promise<void>)[] = [];
  readonly #running = new Set<Promise<void>>();

  constructor({ concurrency, queueLimit }: { readonly concurrency: number; readonly queueLimit: number }) {
    this.#concurrency = concurrency;
    this.#queueLimit = queueLimit;
  }

  /**
   * Takes a job, which must not reject. It starts within this very call when there is room.
   *
   * @returns false when too many wait
   */
  offer(job: () => Promise<void>): boolean {
    if (this.#running.size < this.#concurrency) this.#start(job);
    else if (this.#queue.length < this.#queueLimit) this.#queue.push(job);
    else return false;
    return true;
  }

  /** Forgets what waits. @returns how many those were */
  clear(): number {
    return this.#queue.splice(0).length;
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #start(job: () => Promise<void>): void {
    const running = job().finally(() => {
      this.#running.delete(running);
      const next = this.#queue.shift();
      if (next) this.#start(next);
    });
    this.#running.add(running);
  }
}
