import { randomUUID } from 'node:crypto';

import { type Database, inChunks, inTransaction, type Transaction } from '@sightline/database';
import type { Clock } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, inArray, isNull, sql } from 'drizzle-orm';

import { CLOCK, DATABASE } from '../platform/tokens.js';
import { alert, alertDelivery, alertSubscription } from '../storage/alert-schema.js';
import type { AlertEvent, AlertRow } from './alert-view.js';
import { DELIVERY_MS, wants, type SubscriptionRow } from './delivery-rules.js';

/** Alerts of one transaction. */
const ALERTS = 200;

/** Finds out who wants to hear of new alerts, and of what was taken back. Whichever process comes first does it, once. */
@Injectable()
export class AlertDispatch {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Takes every alert that nobody has looked at yet. */
  async pass(signal: AbortSignal): Promise<void> {
    let taken: number;
    do {
      signal.throwIfAborted();
      taken = await inTransaction(this.database, (tx) => this.#some(tx, new Date(this.clock.wallMs())));
    } while (taken === ALERTS);
  }

  async #some(tx: Transaction, now: Date): Promise<number> {
    const isNews = sql`(${alert.raisedDispatchedAt} IS NULL
      OR (${alert.retractedAt} IS NOT NULL AND ${alert.retractedDispatchedAt} IS NULL))`;
    const rows = await tx
      .select()
      .from(alert)
      .where(isNews)
      .orderBy(alert.raisedAt)
      .limit(ALERTS)
      .for('no key update', { skipLocked: true });
    if (rows.length === 0) return 0;
    const tenants = [...new Set(rows.map(({ tenantId }) => tenantId))];
    const subscriptions = await tx
      .select()
      .from(alertSubscription)
      .where(and(inArray(alertSubscription.tenantId, tenants), isNull(alertSubscription.disabledReason)));
    const raised = rows.filter((row) => row.raisedDispatchedAt === null);
    // Taken back before anybody was told: nobody is.
    await this.#tell(tx, raised.filter(isWorthTelling), { subscriptions, now });
    await this.#takeBack(tx, rows.filter(isTakenBack), now);
    for (const row of rows) {
      const seen = {
        raisedDispatchedAt: row.raisedDispatchedAt ?? now,
        ...(row.retractedAt && { retractedDispatchedAt: now }),
      };
      await tx
        .update(alert)
        .set(seen)
        .where(and(eq(alert.tenantId, row.tenantId), eq(alert.id, row.id)));
    }
    return rows.length;
  }

  async #tell(
    tx: Transaction,
    rows: readonly AlertRow[],
    { subscriptions, now }: { readonly subscriptions: readonly SubscriptionRow[]; readonly now: Date },
  ): Promise<void> {
    const deliveries = rows.flatMap((row) =>
      subscriptions
        // Who subscribes later hears of what comes later.
        .filter((one) => one.tenantId === row.tenantId && one.createdAt <= row.raisedAt && wants(one, row))
        .map(({ id }) => newDelivery({ tenantId: row.tenantId, alertId: row.id, subscriptionId: id }, 'raised', now)),
    );
    await inChunks(deliveries, (chunk) =>
      tx.insert(alertDelivery).values(chunk).onConflictDoNothing().returning({ id: alertDelivery.id }),
    );
  }

  /** Whoever may have heard of the alert hears that it is none; whoever has not, is not told of it either. */
  async #takeBack(tx: Transaction, rows: readonly AlertRow[], now: Date): Promise<void> {
    for (const { tenantId, id } of rows) {
      const own = and(eq(alertDelivery.tenantId, tenantId), eq(alertDelivery.alertId, id));
      await tx
        .update(alertDelivery)
        .set({ state: 'cancelled', nextAttemptAt: null })
        .where(and(own, eq(alertDelivery.state, 'pending'), eq(alertDelivery.attempts, 0)));
      const told = await tx
        .select({ subscriptionId: alertDelivery.subscriptionId })
        .from(alertDelivery)
        .where(
          and(own, eq(alertDelivery.event, 'raised'), inArray(alertDelivery.state, ['pending', 'delivered', 'failed'])),
        );
      const deliveries = told.map(({ subscriptionId }) =>
        newDelivery({ tenantId, alertId: id, subscriptionId }, 'retracted', now),
      );
      if (deliveries.length > 0) await tx.insert(alertDelivery).values(deliveries).onConflictDoNothing();
    }
  }
}

/** Somebody who was erased meanwhile is nobody's news. */
const isWorthTelling = ({ kind, personId, retractedAt }: AlertRow): boolean =>
  retractedAt === null && (kind !== 'watch-list' || personId !== null);
const isTakenBack = ({ retractedAt, raisedDispatchedAt }: AlertRow): boolean =>
  retractedAt !== null && raisedDispatchedAt !== null;

/** A message to be sent at once. */
export function newDelivery(
  whose: Pick<typeof alertDelivery.$inferInsert, 'tenantId' | 'alertId' | 'subscriptionId'>,
  event: AlertEvent,
  now: Date,
): typeof alertDelivery.$inferInsert {
  const expiresAt = new Date(now.getTime() + DELIVERY_MS);
  return { ...whose, id: randomUUID(), event, state: 'pending', createdAt: now, expiresAt, nextAttemptAt: now };
}
