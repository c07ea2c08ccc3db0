import type { Database } from '@sightline/database';
import { backoffMs, errorMessage, type Clock, type Logger } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';

import { CLOCK, DATABASE, LOGGER } from '../platform/tokens.js';

/** What processes tell each other through PostgreSQL. */
export const notificationChannels = [
  'cloud_gallery',
  'cloud_gallery_follower',
  'cloud_sighting',
  'cloud_edge_cache',
  'cloud_personal_data',
  'cloud_template_keys',
  'cloud_alert',
] as const;
export type NotificationChannel = (typeof notificationChannels)[number];

export interface NotificationListener {
  /** A notification of a committed transaction. */
  notified(payload: string): void;
  /** Notifications may have been missed: the connection is new. */
  reconnected(): void;
}

interface Client {
  once(event: 'error' | 'end', listener: (error?: Error) => void): unknown;
}

/** LISTEN on a connection of its own, which is replaced when it breaks. */
@Injectable()
export class Notifications {
  readonly #listeners = new Map<NotificationChannel, NotificationListener[]>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  on(channel: NotificationChannel, listener: NotificationListener): void {
    this.#listeners.set(channel, [...(this.#listeners.get(channel) ?? []), listener]);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('notifications stop'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const isStopping = (): boolean => signal.aborted;
    for (let attempt = 0; !isStopping(); attempt += 1) {
      try {
        await this.#listen(signal, () => (attempt = 0));
      } catch (error) {
        if (isStopping()) return;
        this.log.warn({ error: errorMessage(error) }, 'notifications of the database are interrupted');
        await this.clock.sleep(backoffMs(attempt, { baseMs: 100, capMs: 5000 }), signal).catch(() => undefined);
      }
    }
  }

  /** Resolves once stopped; rejects when the connection breaks. */
  async #listen(signal: AbortSignal, onListening: () => void): Promise<void> {
    const client = await this.database.pool.connect();
    try {
      const ended = connectionEnd(client, signal);
      client.on('notification', ({ channel, payload }) => this.#dispatch(channel, payload ?? ''));
      for (const channel of notificationChannels) await client.query(`LISTEN ${channel}`);
      onListening();
      for (const listener of [...this.#listeners.values()].flat()) listener.reconnected();
      await ended;
    } finally {
      // Closed, not reused: it still listens.
      client.release(true);
    }
  }

  #dispatch(channel: string, payload: string): void {
    for (const listener of this.#listeners.get(channel as NotificationChannel) ?? []) listener.notified(payload);
  }
}

/** Resolves once the signal is aborted, before or after this call; rejects when the connection breaks. */
function connectionEnd(client: Client, signal: AbortSignal): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    const broken = (error = new Error('the connection ended')) => reject(error);
    client.once('error', broken);
    client.once('end', () => broken());
    // A signal that was aborted while the connection was being made tells nobody again.
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  // It may break while LISTEN is still under way, whose own failure is then the one that counts.
  ended.catch(() => undefined);
  return ended;
}
