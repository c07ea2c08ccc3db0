import type { Database } from '@sightline/database';
import { AppError, backoffMs, errorMessage, type Clock, type Logger } from '@sightline/kernel';

/** How the processes of one installation divide the fleet's messages. */
export interface SharedConsumption {
  /** The group that shares sightings out, the same for every process. */
  readonly group: string;
  /** This process among them: stable over restarts, and nobody else's. */
  readonly instance: string;
}

interface ClaimOptions {
  readonly database: Pick<Database, 'pool'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Absent: this process alone. */
  readonly shared?: SharedConsumption | undefined;
  /** How long a predecessor may take to go, ms. Default: 15 s. */
  readonly waitMs?: number;
}

/** A predecessor that was killed is gone as soon as the server sees its connection break. */
const WAIT_MS = 15_000;
const LOOK_EVERY_MS = 100;
/** Why the locks are taken with two keys: their first names what is locked, so that no other lock is met by chance. */
const FLEET = 'sightline fleet';
/** First key of the lock that an instance of a group holds while its process lives; the second is its name. */
export const INSTANCE = 'sightline fleet instance';

interface Connection {
  query(text: string, values: string[]): Promise<{ readonly rows: readonly { readonly granted: boolean }[] }>;
  once(event: 'error' | 'end', listener: () => void): unknown;
  release(destroy: boolean): void;
}

/**
 * The right to consume the fleet's messages, held with advisory locks on a connection of its own: the server gives it
 * back when the process dies, however that happens.
 *
 * Invariants: a process without a group is the only one; of those with a group no two have the same instance, whose
 * name is the client id of a session that they would take from each other in turns.
 */
export class ConsumerClaim {
  readonly #options: ClaimOptions;
  readonly #stopping = new AbortController();
  #connection: Connection | undefined;
  #holding: Promise<void> = Promise.resolve();

  private constructor(options: ClaimOptions) {
    this.#options = options;
  }

  /**
   * @throws AppError `INGEST.SECOND_CONSUMER` when another process consumes and does not go; `DATABASE.UNAVAILABLE`
   *   (retryable)
   */
  static async take(options: ClaimOptions): Promise<ConsumerClaim> {
    const claim = new ConsumerClaim(options);
    const { clock, waitMs = WAIT_MS } = options;
    const deadlineMs = clock.monotonicMs() + waitMs;
    while (!(await claim.#lock())) {
      if (clock.monotonicMs() >= deadlineMs) throw claim.#refusal();
      await clock.sleep(LOOK_EVERY_MS);
    }
    claim.#holding = claim.#hold();
    return claim;
  }

  async release(): Promise<void> {
    this.#stopping.abort(new Error('the claim is released'));
    await this.#holding;
  }

  /** Takes the locks on a new connection. @returns whether nobody is in the way */
  async #lock(): Promise<boolean> {
    const connection: Connection = await this.#options.database.pool.connect();
    try {
      if (await isGranted(connection, this.#options.shared)) {
        this.#connection = connection;
        return true;
      }
    } catch (error) {
      connection.release(true);
      throw error;
    }
    // Closed, not reused: it may hold one lock of the two.
    connection.release(true);
    return false;
  }

  /** When the connection breaks, the claim is taken again: what is consumed meanwhile is idempotent. */
  async #hold(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    const isReleased = (): boolean => signal.aborted;
    for (let attempt = 0; ; attempt += 1) {
      if (this.#connection !== undefined) {
        await ended(this.#connection, signal);
        this.#connection.release(true);
        this.#connection = undefined;
        attempt = 0;
      }
      await clock.sleep(backoffMs(attempt, { baseMs: 100, capMs: 5000 }), signal).catch(() => undefined);
      if (isReleased()) return;
      try {
        if (!(await this.#lock())) log.error({ code: 'INGEST.SECOND_CONSUMER' }, this.#refusal().message);
      } catch (error) {
        log.warn({ error: errorMessage(error) }, 'the claim to the fleet is not held at present');
      }
    }
  }

  #refusal(): AppError {
    const { shared } = this.#options;
    const sentence =
      shared === undefined
        ? 'Another process consumes the fleet: give every process a group and an instance of its own, or stop one.'
        : 'Another process consumes the fleet without a group, or has the same instance.';
    return new AppError('INGEST.SECOND_CONSUMER', sentence);
  }
}

async function isGranted(connection: Connection, shared: SharedConsumption | undefined): Promise<boolean> {
  const tryLock = async (lock: string, keys: readonly string[]): Promise<boolean> => {
    const { rows } = await connection.query(`SELECT ${lock}(hashtext($1), hashtext($2)) AS granted`, [...keys]);
    return rows[0]?.granted ?? false;
  };
  if (shared === undefined) return tryLock('pg_try_advisory_lock', [FLEET, '']);
  return (
    (await tryLock('pg_try_advisory_lock_shared', [FLEET, ''])) &&
    (await tryLock('pg_try_advisory_lock', [INSTANCE, shared.instance]))
  );
}

/** Resolves once the connection is lost or the signal is aborted. */
function ended(connection: Connection, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    connection.once('error', () => resolve());
    connection.once('end', () => resolve());
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
