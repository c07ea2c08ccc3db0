import { AppError, type Clock } from '@sightline/kernel';

import { FairShare } from './fair-share.js';

export interface TurnstileOptions {
  /** Tasks that run at once. */
  readonly places: number;
  /** Tasks that may wait for a place, of all clients together; they share it as {@link FairShare} says. */
  readonly waiting: number;
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/** For whom a task is done, and until when somebody waits for it. */
export interface Turn {
  /** Clients take turns: one that comes with hundreds of tasks does not keep another waiting for all of them. */
  readonly client: string;
  readonly signal?: AbortSignal | undefined;
}

interface Waiter {
  readonly enter: () => void;
  readonly leave: (error: Error) => void;
}

const stopping = (): AppError => new AppError('SERVICE.UNAVAILABLE', 'The service stops.', { retryable: true });
/** How much the latest task counts for what a task usually takes. */
const LATEST = 0.1;
/** Longest time that a client is told to wait, s. */
const LONGEST_WAIT_SECONDS = 60;

/** Lets a bounded number of tasks run at once: clients by turns, and each one's in the order in which they came. */
export class Turnstile {
  readonly #options: TurnstileOptions;
  readonly #room: FairShare;
  /** By client, in the order of their turns; never an empty queue. */
  readonly #queues = new Map<string, Waiter[]>();
  #running = 0;
  #closed = false;
  #usualMs: number | undefined;

  constructor(options: TurnstileOptions) {
    this.#options = options;
    this.#room = new FairShare(options.waiting);
  }

  /**
   * @throws AppError `REQUEST.RATE_LIMITED` (retryable, says when) when too many wait already, `SERVICE.UNAVAILABLE`
   *   (retryable) once it is closed; the signal's reason if it fires before the task runs; what the task throws
   */
  async pass<T>(task: () => Promise<T>, turn: Turn): Promise<T> {
    if (this.#closed) throw stopping();
    turn.signal?.throwIfAborted();
    if (this.#running < this.#options.places) this.#running += 1;
    else await this.#wait(turn);
    const startedMs = this.#options.clock.monotonicMs();
    try {
      return await task();
    } finally {
      this.#learn(this.#options.clock.monotonicMs() - startedMs);
      const next = this.#next();
      // A place is handed over, so that nobody who comes meanwhile gets in before those who wait.
      if (next) next.enter();
      else this.#running -= 1;
    }
  }

  /** Sends away who waits and who comes; tasks that run go on. */
  close(): void {
    this.#closed = true;
    for (const { leave } of [...this.#queues.values()].flat()) leave(stopping());
  }

  #wait({ client, signal }: Turn): Promise<void> {
    if (!this.#room.take(client, 1)) return Promise.reject(this.#full());
    return new Promise((enter, leave) => {
      const done = (): void => {
        signal?.removeEventListener('abort', aborted);
        this.#room.give(client, 1);
      };
      const waiter: Waiter = {
        enter: () => {
          done();
          enter();
        },
        leave: (error) => {
          done();
          this.#remove(client, waiter);
          leave(error);
        },
      };
      const aborted = (): void => waiter.leave(signal?.reason as Error);
      signal?.addEventListener('abort', aborted);
      const queue = this.#queues.get(client);
      if (queue) queue.push(waiter);
      else this.#queues.set(client, [waiter]);
    });
  }

  /** The first of the client whose turn it is, who then comes after the others. */
  #next(): Waiter | undefined {
    const [turn] = this.#queues;
    if (turn === undefined) return undefined;
    const [client, queue] = turn;
    this.#queues.delete(client);
    const first = queue.shift();
    if (queue.length > 0) this.#queues.set(client, queue);
    return first;
  }

  #remove(client: string, waiter: Waiter): void {
    const others = (this.#queues.get(client) ?? []).filter((other) => other !== waiter);
    if (others.length > 0) this.#queues.set(client, others);
    else this.#queues.delete(client);
  }

  #learn(tookMs: number): void {
    this.#usualMs = this.#usualMs === undefined ? tookMs : this.#usualMs + LATEST * (tookMs - this.#usualMs);
  }

  #full(): AppError {
    const waitMs = ((this.#usualMs ?? 0) * (this.#room.total + 1)) / this.#options.places;
    return new AppError('REQUEST.RATE_LIMITED', 'Too many photos are being worked on. Try again.', {
      retryable: true,
      details: { retryAfterSeconds: Math.min(LONGEST_WAIT_SECONDS, Math.ceil(waitMs / 1000)) },
    });
  }
}
