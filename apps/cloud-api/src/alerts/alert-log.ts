import type { rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, isUuid, type Clock, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, desc, eq, inArray, isNotNull, isNull, sql, type SQL } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import { decodeCursor, toPage } from '../http/page-cursor.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { alert, alertAttempt, alertDelivery, alertSubscription } from '../storage/alert-schema.js';
import { newDelivery } from './alert-dispatch.js';
import { toAlert, type AlertEvent, type AlertRow } from './alert-view.js';
import { DELIVERY_MS } from './delivery-rules.js';
import type { DeliveryRow } from './delivery-store.js';
import { tellDelivery } from './raise-alert.js';

/** Attempts that are shown of a delivery: the latest. */
const SHOWN_ATTEMPTS = 50;

type AttemptRow = typeof alertAttempt.$inferSelect;

/** The alerts of a tenant, and what became of them. */
@Injectable()
export class AlertLog {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly audit: Audit,
  ) {}

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor, ...asked }: rest.AlertQuery): Promise<rest.AlertPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const { kind, siteId, watchList, state } = asked;
    const rows = await this.database.db
      .select()
      .from(alert)
      .where(
        and(
          eq(alert.tenantId, tenantId),
          kind && eq(alert.kind, kind),
          siteId === undefined ? undefined : eq(alert.siteId, siteId),
          watchList === undefined ? undefined : eq(alert.watchList, watchList),
          state && isIn[state],
          after &&
            sql`(${alert.raisedAt}, ${alert.id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(alert.raisedAt), desc(alert.id))
      .limit(limit + 1);
    return toPage(rows, limit, { item: toAlert, cursor: ({ raisedAt, id }) => ({ time: raisedAt, id }) });
  }

  /** @throws AppError `ALERT.NOT_FOUND` */
  async get(tenantId: TenantId, id: string): Promise<rest.AlertDetail> {
    const { db } = this.database;
    const [row] = await db.select().from(alert).where(own(tenantId, id));
    if (row === undefined) throw notFound();
    const deliveries = await db
      .select()
      .from(alertDelivery)
      .where(and(eq(alertDelivery.tenantId, tenantId), eq(alertDelivery.alertId, id)))
      .orderBy(asc(alertDelivery.createdAt), asc(alertDelivery.id));
    const detailed = deliveries.map(async (delivery) => {
      const attempts = await db
        .select()
        .from(alertAttempt)
        .where(and(eq(alertAttempt.tenantId, tenantId), eq(alertAttempt.deliveryId, delivery.id)))
        .orderBy(desc(alertAttempt.at))
        .limit(SHOWN_ATTEMPTS);
      return toDelivery(delivery, attempts.reverse());
    });
    return { ...toAlert(row), deliveries: await Promise.all(detailed) };
  }

  /** Says that somebody has seen it. The first who says so stays. @throws AppError `ALERT.NOT_FOUND` */
  async acknowledge({ tenantId, actor }: { readonly tenantId: TenantId; readonly actor: string }, id: string) {
    const acknowledged = { acknowledgedAt: new Date(this.clock.wallMs()), acknowledgedBy: actor };
    return inTransaction(this.database, async (tx): Promise<rest.Alert> => {
      const [changed] = await tx
        .update(alert)
        .set(acknowledged)
        .where(and(own(tenantId, id), isNull(alert.acknowledgedAt)))
        .returning();
      const row = changed ?? (await readAlert(tx, tenantId, id));
      if (changed !== undefined) {
        await this.audit.record(tx, { tenantId, action: 'alert.acknowledge', subject: { kind: 'alert', id } });
      }
      return toAlert(row);
    });
  }

  /**
   * Tells an alert again, and its retraction where it was retracted, with the ids that they had.
   *
   * @throws AppError `ALERT.NOT_FOUND`, `ALERT.NOT_DELIVERED` when nobody is left who could be told
   */
  async redeliver(tenantId: TenantId, id: string, { subscriptionId }: rest.RedeliverAlert): Promise<rest.AlertDetail> {
    const now = new Date(this.clock.wallMs());
    await inTransaction(this.database, async (tx) => {
      const row = await readAlert(tx, tenantId, id);
      // Of somebody who was erased nothing is told any more.
      const isForgotten = row.kind === 'watch-list' && row.personId === null;
      const receivers = isForgotten ? [] : await receiversOf(tx, row, subscriptionId);
      if (receivers.length === 0) {
        throw new AppError('ALERT.NOT_DELIVERED', 'Nobody is left who could be told of the alert again.');
      }
      const events: readonly AlertEvent[] = row.retractedAt === null ? ['raised'] : ['raised', 'retracted'];
      const deliveries = receivers.flatMap((receiver) =>
        events.map((event) => newDelivery({ tenantId, alertId: id, subscriptionId: receiver }, event, now)),
      );
      const again = {
        ...{ state: 'pending' as const, attempts: 0, nextAttemptAt: now },
        expiresAt: new Date(now.getTime() + DELIVERY_MS),
      };
      const { tenantId: tenant, alertId, subscriptionId: subscription, event } = alertDelivery;
      await tx
        .insert(alertDelivery)
        .values(deliveries)
        .onConflictDoUpdate({ target: [tenant, alertId, subscription, event], set: again });
      await tellDelivery(tx);
      await this.audit.record(tx, { tenantId, action: 'alert.redeliver', subject: { kind: 'alert', id } });
    });
    return this.get(tenantId, id);
  }
}

const isIn: Readonly<Record<rest.AlertState, SQL | undefined>> = {
  open: and(isNull(alert.retractedAt), isNull(alert.acknowledgedAt)),
  acknowledged: and(isNull(alert.retractedAt), isNotNull(alert.acknowledgedAt)),
  retracted: isNotNull(alert.retractedAt),
};

const own = (tenantId: TenantId, id: string) => and(eq(alert.tenantId, tenantId), eq(alert.id, id));
const notFound = (): AppError => new AppError('ALERT.NOT_FOUND', 'There is no alert with this id.');

async function readAlert(tx: Transaction, tenantId: TenantId, id: string): Promise<AlertRow> {
  const [row] = await tx.select().from(alert).where(own(tenantId, id)).for('key share');
  if (row === undefined) throw notFound();
  return row;
}

/** Subscriptions that work: the one that is asked for, or all that the alert was meant for. */
async function receiversOf(
  tx: Transaction,
  { tenantId, id }: AlertRow,
  subscriptionId: string | undefined,
): Promise<readonly string[]> {
  const told = tx
    .select({ id: alertDelivery.subscriptionId })
    .from(alertDelivery)
    .where(and(eq(alertDelivery.tenantId, tenantId), eq(alertDelivery.alertId, id)));
  const which =
    subscriptionId === undefined ? inArray(alertSubscription.id, told) : eq(alertSubscription.id, subscriptionId);
  const rows = await tx
    .select({ id: alertSubscription.id })
    .from(alertSubscription)
    .where(and(eq(alertSubscription.tenantId, tenantId), isNull(alertSubscription.disabledReason), which));
  return rows.map((row) => row.id);
}

function toDelivery(
  { id, subscriptionId, event, state, createdAt, nextAttemptAt }: DeliveryRow,
  attempts: readonly AttemptRow[],
): rest.AlertDelivery {
  return {
    ...{ id, subscriptionId, event, state, createdAt: createdAt.toISOString() },
    nextAttemptAt: nextAttemptAt?.toISOString() ?? null,
    attempts: attempts.map(({ at, statusCode, code, durationMs }) => ({
      at: at.toISOString(),
      ...{ statusCode, code, durationMs },
    })),
  };
}
