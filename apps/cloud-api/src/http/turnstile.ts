import { AppError } from '@sightline/kernel';

export interface TurnstileOptions {
  /** Tasks that run at once. */
  readonly places: number;
  /** Tasks that may wait for a place; one more is turned away. */
  readonly waiting: number;
}

/** Lets a bounded number of tasks run at once, in the order in which they came. */
export class Turnstile {
  readonly #options: TurnstileOptions;
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(options: TurnstileOptions) {
    this.#options = options;
  }

  /** @throws AppError `REQUEST.RATE_LIMITED` (retryable) when too many wait already; what the task throws */
  async pass<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running < this.#options.places) this.#running += 1;
    else await this.#wait();
    try {
      return await task();
    } finally {
      const next = this.#queue.shift();
      // A place is handed over, so that nobody who comes meanwhile gets in before those who wait.
      if (next) next();
      else this.#running -= 1;
    }
  }

  #wait(): Promise<void> {
    if (this.#queue.length >= this.#options.waiting) {
      throw new AppError('REQUEST.RATE_LIMITED', 'Too many photos are being worked on. Try again.', {
        retryable: true,
      });
    }
    return new Promise((resolve) => this.#queue.push(resolve));
  }
}
