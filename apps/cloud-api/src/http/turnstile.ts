import { AppError } from '@sightline/kernel';

export interface TurnstileOptions {
  /** Tasks that run at once. */
  readonly places: number;
  /** Tasks that may wait for a place; one more is turned away. */
  readonly waiting: number;
}

interface Waiter {
  readonly enter: () => void;
  readonly leave: (error: AppError) => void;
}

const stopping = (): AppError => new AppError('SERVICE.UNAVAILABLE', 'The service stops.', { retryable: true });

/** Lets a bounded number of tasks run at once, in the order in which they came. */
export class Turnstile {
  readonly #options: TurnstileOptions;
  readonly #queue: Waiter[] = [];
  #running = 0;
  #closed = false;

  constructor(options: TurnstileOptions) {
    this.#options = options;
  }

  /**
   * @throws AppError `REQUEST.RATE_LIMITED` (retryable) when too many wait already, `SERVICE.UNAVAILABLE` (retryable)
   *   once it is closed; what the task throws
   */
  async pass<T>(task: () => Promise<T>): Promise<T> {
    if (this.#closed) throw stopping();
    if (this.#running < this.#options.places) this.#running += 1;
    else await this.#wait();
    try {
      return await task();
    } finally {
      const next = this.#queue.shift();
      // A place is handed over, so that nobody who comes meanwhile gets in before those who wait.
      if (next) next.enter();
      else this.#running -= 1;
    }
  }

  /** Sends away who waits and who comes; tasks that run go on. */
  close(): void {
    this.#closed = true;
    for (const { leave } of this.#queue.splice(0)) leave(stopping());
  }

  #wait(): Promise<void> {
    if (this.#queue.length >= this.#options.waiting) {
      throw new AppError('REQUEST.RATE_LIMITED', 'Too many photos are being worked on. Try again.', {
        retryable: true,
      });
    }
    return new Promise((enter, leave) => this.#queue.push({ enter, leave }));
  }
}
