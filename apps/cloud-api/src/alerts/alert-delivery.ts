import type { Database } from '@sightline/database';
import { defineTrigger, type Jobs } from '@sightline/jobs';
import { errorMessage, ExclusiveRunner, type Clock, type Logger } from '@sightline/kernel';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';

import { CLOCK, DATABASE, JOBS, LOGGER } from '../platform/tokens.js';
import { Notifications } from '../storage/notifications.js';
import { AlertDispatch } from './alert-dispatch.js';
import { ALERT_RANDOM, ATTEMPT_MS, AlertSender } from './alert-sender.js';
import { messageOf } from './alert-view.js';
import { lanesOf } from './delivery-rules.js';
import { claim, dueSubscriptions, release, settle, type SubscriptionKey } from './delivery-store.js';

const deliverAlerts = defineTrigger('alert-delivery');
/** How often it is looked for messages that are due again, or that a process has left behind, ms. */
const EVERY_MS = 5000;
/** A message whose process has died is taken by another so soon, ms: later than any attempt takes. */
const LEASE_MS = ATTEMPT_MS + 2000;
/** Messages that this process has under way at once. */
const LANES = 64;

/**
 * Delivers alerts: at least once, and each with the same id however often. Whatever is to be sent, and how far it is, lies in
 * PostgreSQL; a commit that raised an alert wakes every process, and a schedule finds what was lost.
 *
 * Invariant: a subscription has a few lanes, each with one message at a time, and a lane ends with the first failure. So a
 * receiver that hangs takes nothing from the others.
 */
@Injectable()
export class AlertDelivery implements BeforeApplicationShutdown {
  readonly #stopping = new AbortController();
  readonly #runner = new ExclusiveRunner();
  readonly #lanes = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  /** A pass that has not begun: what comes meanwhile needs no other. */
  #waiting: Promise<void> | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(ALERT_RANDOM) private readonly random: () => number,
    @Inject(JOBS) jobs: Jobs,
    private readonly dispatch: AlertDispatch,
    private readonly sender: AlertSender,
    notifications: Notifications,
  ) {
    jobs.handle(deliverAlerts, () => this.pass());
    jobs.schedule(deliverAlerts, { everyMs: EVERY_MS });
    const wake = (): void => void this.pass().catch((error: unknown) => this.#report(error));
    notifications.on('cloud_alert', { notified: wake, reconnected: wake });
  }

  /** What is under way is broken off, and tried again by whoever comes next. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#stopping.abort(new Error('the delivery of alerts stops'));
    await this.#runner.idle();
    await Promise.all(this.#running);
  }

  /** Finds what is new and begins to send what is due; does not wait for it to be sent. */
  pass(): Promise<void> {
    this.#waiting ??= this.#runner.run(() => {
      this.#waiting = undefined;
      return this.#pass();
    });
    return this.#waiting;
  }

  /** Resolves once nothing is under way. */
  async settled(): Promise<void> {
    await this.#runner.idle();
    await Promise.all(this.#running);
  }

  async #pass(): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    await this.dispatch.pass(signal);
    const now = new Date(this.clock.wallMs());
    for (const { failures, due, ...key } of await dueSubscriptions(this.database, now)) {
      const wanted = Math.min(due, lanesOf(failures)) - this.#lanesOf(key);
      for (let lane = 0; lane < wanted && this.#running.size < LANES; lane += 1) this.#begin(key);
    }
  }

  #lanesOf(key: SubscriptionKey): number {
    return this.#lanes.get(nameOf(key)) ?? 0;
  }

  #begin(key: SubscriptionKey): void {
    const name = nameOf(key);
    this.#lanes.set(name, this.#lanesOf(key) + 1);
    const lane = this.#send(key)
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#running.delete(lane);
        const left = this.#lanesOf(key) - 1;
        if (left === 0) this.#lanes.delete(name);
        else this.#lanes.set(name, left);
      });
    this.#running.add(lane);
  }

  /** One lane: sends what is due, until there is nothing more or an attempt fails. */
  async #send(key: SubscriptionKey): Promise<void> {
    const { signal } = this.#stopping;
    const isStopping = (): boolean => signal.aborted;
    const now = (): Date => new Date(this.clock.wallMs());
    while (!isStopping()) {
      const claimed = await claim(this.database, key, { now: now(), leaseMs: LEASE_MS });
      if (claimed === undefined) return;
      const { delivery, subscription, alert } = claimed;
      const result = await this.sender.send(subscription, messageOf(alert, delivery.event), signal);
      if (isStopping() && !result.delivered) return release(this.database, claimed, now());
      await settle(this.database, claimed, { result, now: now(), random: this.random });
      if (!result.delivered) return;
    }
  }

  #report(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    this.log.warn({ error: errorMessage(error) }, 'alerts are held up; it is tried again');
  }
}

const nameOf = ({ tenantId, id }: SubscriptionKey): string => `${tenantId}/${id}`;
