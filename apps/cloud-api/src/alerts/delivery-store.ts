import { inTransaction, type Database } from '@sightline/database';
import type { TenantId } from '@sightline/kernel';
import { and, eq, sql } from 'drizzle-orm';

import { alert, alertAttempt, alertDelivery, alertSubscription } from '../storage/alert-schema.js';
import type { AlertRow } from './alert-view.js';
import { afterFailure, type AttemptResult, type SubscriptionRow } from './delivery-rules.js';

/** Which subscription. */
export interface SubscriptionKey {
  readonly tenantId: TenantId;
  readonly id: string;
}

export type DeliveryRow = typeof alertDelivery.$inferSelect;

/** A message that this process alone tries now. */
export interface Claimed {
  readonly delivery: DeliveryRow;
  readonly subscription: SubscriptionRow;
  readonly alert: AlertRow;
}

/** Subscriptions for which something is due, and how much. */
export async function dueSubscriptions(
  { db }: Database,
  now: Date,
): Promise<readonly (SubscriptionKey & { readonly failures: number; readonly due: number })[]> {
  const { rows } = await db.execute<SubscriptionKey & Record<string, unknown> & { failures: number; due: number }>(sql`
    SELECT subscription.tenant_id AS "tenantId", subscription.id, subscription.failures, count(*)::int AS due
    FROM cloud.alert_delivery delivery JOIN cloud.alert_subscription subscription
      ON subscription.tenant_id = delivery.tenant_id AND subscription.id = delivery.subscription_id
    WHERE delivery.state = 'pending' AND delivery.next_attempt_at <= ${now} AND subscription.disabled_reason IS NULL
      AND (subscription.paused_until IS NULL OR subscription.paused_until <= ${now})
    GROUP BY subscription.tenant_id, subscription.id ORDER BY min(delivery.next_attempt_at)`);
  return rows;
}

/**
 * Takes the message that is due longest. Until the lease ends no other process takes it; if this one dies, another does
 * then.
 */
export async function claim(
  { db }: Database,
  { tenantId, id }: SubscriptionKey,
  { now, leaseMs }: { readonly now: Date; readonly leaseMs: number },
): Promise<Claimed | undefined> {
  const until = new Date(now.getTime() + leaseMs);
  const { rows } = await db.execute<{ id: string }>(sql`
    UPDATE cloud.alert_delivery SET attempts = attempts + 1, next_attempt_at = ${until}
    WHERE (tenant_id, id) = (
      SELECT delivery.tenant_id, delivery.id
      FROM cloud.alert_delivery delivery JOIN cloud.alert_subscription subscription
        ON subscription.tenant_id = delivery.tenant_id AND subscription.id = delivery.subscription_id
      WHERE delivery.tenant_id = ${tenantId} AND delivery.subscription_id = ${id} AND delivery.state = 'pending'
        AND delivery.next_attempt_at <= ${now} AND subscription.disabled_reason IS NULL
        AND (subscription.paused_until IS NULL OR subscription.paused_until <= ${now})
      ORDER BY delivery.next_attempt_at LIMIT 1 FOR UPDATE OF delivery SKIP LOCKED)
    RETURNING id`);
  const [taken] = rows;
  if (taken === undefined) return undefined;
  const [claimed] = await db
    .select({ delivery: alertDelivery, subscription: alertSubscription, alert })
    .from(alertDelivery)
    .innerJoin(alertSubscription, isSubscriptionOf)
    .innerJoin(alert, and(eq(alert.tenantId, alertDelivery.tenantId), eq(alert.id, alertDelivery.alertId)))
    .where(and(eq(alertDelivery.tenantId, tenantId), eq(alertDelivery.id, taken.id)));
  return claimed;
}

const isSubscriptionOf = and(
  eq(alertSubscription.tenantId, alertDelivery.tenantId),
  eq(alertSubscription.id, alertDelivery.subscriptionId),
);

/** Gives a message back that was not tried to its end. */
export async function release({ db }: Database, { delivery }: Claimed, now: Date): Promise<void> {
  const { attempts } = delivery;
  await db
    .update(alertDelivery)
    .set({ attempts: attempts - 1, nextAttemptAt: now })
    .where(isClaimOf(delivery));
}

/** Whoever took it later, or took it away, is not overruled. */
const isClaimOf = ({ tenantId, id, attempts }: DeliveryRow) =>
  and(
    ...[eq(alertDelivery.tenantId, tenantId), eq(alertDelivery.id, id)],
    ...[eq(alertDelivery.attempts, attempts), eq(alertDelivery.state, 'pending')],
  );

/** Writes down how an attempt went, and what follows from it. */
export async function settle(
  database: Database,
  { delivery, subscription }: Claimed,
  { result, now, random }: { readonly result: AttemptResult; readonly now: Date; readonly random: () => number },
): Promise<void> {
  const { tenantId } = delivery;
  const isSubscription = and(eq(alertSubscription.tenantId, tenantId), eq(alertSubscription.id, subscription.id));
  const isWaiting = and(
    ...[eq(alertDelivery.tenantId, tenantId), eq(alertDelivery.subscriptionId, subscription.id)],
    eq(alertDelivery.state, 'pending'),
  );
  await inTransaction(database, async (tx) => {
    // One after another: failures are counted, and a success is not overtaken by one.
    const [current] = await tx.select().from(alertSubscription).where(isSubscription).for('no key update');
    if (current === undefined) return;
    const { delivered, statusCode, code, durationMs } = result;
    await tx.insert(alertAttempt).values({ tenantId, deliveryId: delivery.id, at: now, statusCode, code, durationMs });
    if (delivered) {
      await tx.update(alertDelivery).set({ state: 'delivered', nextAttemptAt: null }).where(isClaimOf(delivery));
      if (current.failures === 0) return;
      await tx
        .update(alertSubscription)
        .set({ failures: 0, failingSince: null, pausedUntil: null })
        .where(isSubscription);
      // The receiver is back: what waited for it need not wait for its own next attempt.
      await tx.update(alertDelivery).set({ nextAttemptAt: now }).where(isWaiting);
      return;
    }
    const failures = current.failures + 1;
    const failingSince = current.failingSince ?? now;
    const { attempts, expiresAt } = delivery;
    const failed = { attempts, failures, failingSince, expiresAt, channel: current.channel };
    const next = afterFailure(result, failed, { now, random });
    await tx
      .update(alertDelivery)
      .set(
        next.nextAttemptAt === null ? { state: 'failed', nextAttemptAt: null } : { nextAttemptAt: next.nextAttemptAt },
      )
      .where(isClaimOf(delivery));
    const disabledReason = current.disabledReason ?? next.disabled;
    await tx
      .update(alertSubscription)
      .set({ failures, failingSince, pausedUntil: next.pausedUntil, disabledReason })
      .where(isSubscription);
    if (next.disabled !== null) {
      await tx.update(alertDelivery).set({ state: 'cancelled', nextAttemptAt: null }).where(isWaiting);
    }
  });
}
