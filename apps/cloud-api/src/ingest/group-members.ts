import type { Database } from '@sightline/database';
import { errorMessage, type Clock, type Logger } from '@sightline/kernel';

import { INSTANCE, type SharedConsumption } from './consumer-claim.js';

interface GroupMembersOptions {
  readonly database: Pick<Database, 'pool'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly shared: SharedConsumption;
  /** Of this process's session at the broker. */
  readonly clientId: string;
  /** Ends another's session at the broker. */
  readonly forgetSession: (clientId: string, signal: AbortSignal) => Promise<void>;
  /** How often the others are looked at, and how long one must be gone, ms. Default: 2 s and 6 s. */
  readonly every?: { readonly lookMs: number; readonly goneMs: number };
}

/**
 * Longer than a live process takes to lock again after PostgreSQL was away: see `ConsumerClaim`. One whose session is
 * ended although it lives loses no more than its connection.
 */
const EVERY = { lookMs: 2000, goneMs: 6000 };
const FORGET_MS = 10_000;

interface Member extends Record<string, unknown> {
  readonly instance: string;
  readonly clientId: string;
}

interface Connection {
  query(text: string, values: string[]): Promise<{ readonly rows: readonly { readonly granted: boolean }[] }>;
  release(destroy: boolean): void;
}

/**
 * Watches over the other processes of the group. A broker goes on giving a share of the messages to the session of a
 * process that is gone, where they wait for its return: what a box sends again may go there again. So the session of one
 * that stays away is ended; when it comes back it makes a new one.
 */
export class GroupMembers {
  readonly #options: GroupMembersOptions;
  readonly #stopping = new AbortController();
  /** Since when a member's lock is free, monotonic ms. */
  readonly #gone = new Map<string, number>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: GroupMembersOptions) {
    this.#options = options;
  }

  /** Joins, and watches from then on. Call it with the claim held. */
  async start(): Promise<void> {
    const { database, clock, shared, clientId } = this.#options;
    await database.pool.query(
      `INSERT INTO cloud.ingest_member (instance, client_id, joined_at) VALUES ($1, $2, $3)
       ON CONFLICT (instance) DO UPDATE SET client_id = excluded.client_id, joined_at = excluded.joined_at`,
      [shared.instance, clientId, new Date(clock.wallMs())],
    );
    this.#running = this.#run();
  }

  /** Stays a member on purpose: if this process does not return, the others end its session. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the group is left'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log, every = EVERY } = this.#options;
    const { signal } = this.#stopping;
    const isStopping = (): boolean => signal.aborted;
    for (;;) {
      await clock.sleep(every.lookMs, signal).catch(() => undefined);
      if (isStopping()) return;
      try {
        for (const member of await this.#others()) await this.#look(member, every.goneMs);
      } catch (error) {
        log.warn({ error: errorMessage(error) }, 'the other processes of the group could not be looked at');
      }
    }
  }

  async #others(): Promise<readonly Member[]> {
    const { database, shared } = this.#options;
    const { rows } = await database.pool.query<Member>(
      `SELECT instance, client_id AS "clientId" FROM cloud.ingest_member WHERE instance <> $1 ORDER BY instance`,
      [shared.instance],
    );
    return rows;
  }

  async #look(member: Member, goneMs: number): Promise<void> {
    const connection: Connection = await this.#options.database.pool.connect();
    try {
      const { rows } = await connection.query('SELECT pg_try_advisory_lock(hashtext($1), hashtext($2)) AS granted', [
        INSTANCE,
        member.instance,
      ]);
      if (rows[0]?.granted !== true) this.#gone.delete(member.instance);
      else if (this.#isGoneFor(member.instance, goneMs)) await this.#forget(member);
    } finally {
      // Closing it gives the lock back, whatever has happened.
      connection.release(true);
    }
  }

  #isGoneFor(instance: string, goneMs: number): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const sinceMs = this.#gone.get(instance) ?? nowMs;
    this.#gone.set(instance, sinceMs);
    return nowMs - sinceMs >= goneMs;
  }

  /** With the member's lock held: a process that comes back meanwhile waits for it. */
  async #forget({ instance, clientId }: Member): Promise<void> {
    const { database, log, forgetSession } = this.#options;
    this.#gone.delete(instance);
    const known = await database.pool.query('SELECT FROM cloud.ingest_member WHERE instance = $1', [instance]);
    // Another has done it since the members were listed.
    if (known.rowCount === 0) return;
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(FORGET_MS)]);
    await forgetSession(clientId, signal);
    await database.pool.query('DELETE FROM cloud.ingest_member WHERE instance = $1', [instance]);
    log.warn({ instance }, 'a process of the group is gone: its session at the broker was ended');
  }
}
