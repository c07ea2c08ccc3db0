import { randomUUID } from 'node:crypto';

import { tenantTopicOf, type rest } from '@sightline/contracts';
import { inTransaction, type Database, type Transaction } from '@sightline/database';
import { AppError, isUuid, type Clock, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, sql } from 'drizzle-orm';

import { Audit } from '../audit/audit.js';
import type { CloudApiConfig } from '../config.js';
import { decodeCursor, toPage, type PageQuery } from '../http/page-cursor.js';
import { CLOCK, CONFIG, DATABASE } from '../platform/tokens.js';
import { alertDelivery, alertSubscription } from '../storage/alert-schema.js';
import { tenant } from '../storage/access-schema.js';
import { wrapSecret } from '../template-keys/key-wrapping.js';
import { AlertSender, secretName } from './alert-sender.js';
import type { SubscriptionRow } from './delivery-rules.js';
import { testMessage } from './test-message.js';
import { newWebhookSecret, webhookSecretText } from './webhook-signature.js';

/** Subscriptions of one tenant. */
const MOST = 50;
const HOUR_MS = 3_600_000;

/** Who wants to hear of alerts. */
@Injectable()
export class AlertSubscriptions {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'keyEncryptionKey'>,
    private readonly sender: AlertSender,
    private readonly audit: Audit,
  ) {}

  /** @throws AppError `ALERT_SUBSCRIPTION.TOO_MANY`, `WEBHOOK.ADDRESS_REFUSED` */
  async create(
    tenantId: TenantId,
    { channel, ...asked }: rest.CreateAlertSubscription,
  ): Promise<rest.NewAlertSubscription> {
    const id = randomUUID();
    const now = this.#now();
    const secret = channel.kind === 'webhook' ? newWebhookSecret() : undefined;
    if (channel.kind === 'webhook') this.#assertAllowed(channel.url);
    const row = await inTransaction(this.database, async (tx) => {
      // One after another, so that two do not both find room.
      await tx.select({ id: tenant.id }).from(tenant).where(eq(tenant.id, tenantId)).for('no key update');
      if ((await tx.$count(alertSubscription, eq(alertSubscription.tenantId, tenantId))) >= MOST) {
        throw new AppError('ALERT_SUBSCRIPTION.TOO_MANY', `A tenant has ${MOST} subscriptions at most.`);
      }
      const [stored] = await tx
        .insert(alertSubscription)
        .values({
          ...{ ...asked, tenantId, id, channel: channel.kind, url: channel.kind === 'webhook' ? channel.url : null },
          wrappedSecret: secret && this.#wrapped(secret, { tenantId, id }),
          ...{ secretRotatedAt: secret && now, createdAt: now },
        })
        .returning();
      await this.#record(tx, 'create', { tenantId, id });
      return stored;
    });
    if (row === undefined) throw new AppError('SERVICE.INTERNAL', 'The subscription was not stored.');
    return { subscription: toView(row), secret: secret === undefined ? null : webhookSecretText(secret) };
  }

  /** Newest first. */
  async list(tenantId: TenantId, { limit, cursor }: PageQuery): Promise<rest.AlertSubscriptionPage> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const { createdAt, id } = alertSubscription;
    const rows = await this.database.db
      .select()
      .from(alertSubscription)
      .where(
        and(
          eq(alertSubscription.tenantId, tenantId),
          after && sql`(${createdAt}, ${id}) < (${after.time.toISOString()}::timestamptz, ${after.id}::uuid)`,
        ),
      )
      .orderBy(desc(createdAt), desc(id))
      .limit(limit + 1);
    return toPage(rows, limit, { item: toView, cursor: (row) => ({ time: row.createdAt, id: row.id }) });
  }

  /** @throws AppError `ALERT_SUBSCRIPTION.NOT_FOUND` */
  async get(tenantId: TenantId, id: string): Promise<rest.AlertSubscription> {
    return toView(await this.#read(tenantId, id));
  }

  /** @throws AppError `ALERT_SUBSCRIPTION.NOT_FOUND`, `ALERT_SUBSCRIPTION.NO_WEBHOOK`, `WEBHOOK.ADDRESS_REFUSED` */
  async change(
    tenantId: TenantId,
    id: string,
    { enabled, url, ...changes }: rest.ChangeAlertSubscription,
  ): Promise<rest.AlertSubscription> {
    if (url !== undefined) this.#assertAllowed(url);
    const row = await inTransaction(this.database, async (tx) => {
      const found = await this.#locked(tx, tenantId, id);
      if (url !== undefined) assertWebhook(found);
      const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
      const afresh = { disabledReason: null, failures: 0, failingSince: null, pausedUntil: null };
      const [changed] = await tx
        .update(alertSubscription)
        .set({
          // Drizzle takes an empty set for a mistake.
          ...{ label: found.label, ...given, ...(url !== undefined && { url }) },
          ...(enabled === true && afresh),
          ...(enabled === false && { disabledReason: found.disabledReason ?? ('request' as const) }),
        })
        .where(own(tenantId, id))
        .returning();
      if (enabled === false) await cancelWaiting(tx, tenantId, id);
      await this.#record(tx, 'change', { tenantId, id });
      return changed ?? found;
    });
    return toView(row);
  }

  /**
   * Gives a webhook a new secret. For a while messages are signed with both.
   *
   * @throws AppError `ALERT_SUBSCRIPTION.NOT_FOUND`, `ALERT_SUBSCRIPTION.NO_WEBHOOK`
   */
  async rotate(
    tenantId: TenantId,
    id: string,
    { previousValidHours }: rest.RotateAlertSecret,
  ): Promise<rest.NewAlertSubscription> {
    const secret = newWebhookSecret();
    const now = this.#now();
    const row = await inTransaction(this.database, async (tx) => {
      const found = await this.#locked(tx, tenantId, id);
      assertWebhook(found);
      const expiresAt = new Date(now.getTime() + previousValidHours * HOUR_MS);
      const [changed] = await tx
        .update(alertSubscription)
        .set({
          ...{ wrappedSecret: this.#wrapped(secret, found), secretRotatedAt: now },
          ...{ wrappedPreviousSecret: found.wrappedSecret, previousSecretExpiresAt: expiresAt },
        })
        .where(own(tenantId, id))
        .returning();
      await this.#record(tx, 'rotate', { tenantId, id });
      return changed ?? found;
    });
    return { subscription: toView(row), secret: webhookSecretText(secret) };
  }

  /** Ends a subscription, with the log of its deliveries. @throws AppError `ALERT_SUBSCRIPTION.NOT_FOUND` */
  async remove(tenantId: TenantId, id: string): Promise<void> {
    await inTransaction(this.database, async (tx) => {
      await this.#locked(tx, tenantId, id);
      await tx.delete(alertSubscription).where(own(tenantId, id));
      await this.#record(tx, 'remove', { tenantId, id });
    });
  }

  /** Sends a message of the type `alert.test`, about nobody, once. @throws AppError `ALERT_SUBSCRIPTION.NOT_FOUND` */
  async test(tenantId: TenantId, id: string): Promise<rest.AlertTest> {
    const row = await this.#read(tenantId, id);
    const message = testMessage(tenantId, this.#now());
    const { delivered, statusCode, code, durationMs } = await this.sender.send(
      row,
      message,
      new AbortController().signal,
    );
    return { delivered, statusCode, code, durationMs };
  }

  #assertAllowed(url: string): void {
    if (this.sender.maySendTo(new URL(url))) return;
    throw new AppError('WEBHOOK.ADDRESS_REFUSED', 'Webhooks are https, to addresses of the internet.');
  }

  async #read(tenantId: TenantId, id: string): Promise<SubscriptionRow> {
    const [row] = await this.database.db.select().from(alertSubscription).where(own(tenantId, id));
    if (row === undefined) throw notFound();
    return row;
  }

  async #locked(tx: Transaction, tenantId: TenantId, id: string): Promise<SubscriptionRow> {
    const [row] = await tx.select().from(alertSubscription).where(own(tenantId, id)).for('update');
    if (row === undefined) throw notFound();
    return row;
  }

  #wrapped(secret: Uint8Array, whose: Pick<SubscriptionRow, 'tenantId' | 'id'>): Uint8Array {
    return wrapSecret(secret, this.config.keyEncryptionKey, secretName(whose));
  }

  #record(tx: Transaction, what: string, { tenantId, id }: Pick<SubscriptionRow, 'tenantId' | 'id'>): Promise<void> {
    const subject = { kind: 'alert-subscription', id };
    return this.audit.record(tx, { tenantId, action: `alert-subscription.${what}`, subject });
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}

const own = (tenantId: TenantId, id: string) =>
  and(eq(alertSubscription.tenantId, tenantId), eq(alertSubscription.id, id));
const notFound = (): AppError => new AppError('ALERT_SUBSCRIPTION.NOT_FOUND', 'There is no subscription with this id.');

function assertWebhook({ channel }: SubscriptionRow): void {
  if (channel === 'webhook') return;
  throw new AppError('ALERT_SUBSCRIPTION.NO_WEBHOOK', 'The subscription is one over MQTT.');
}

async function cancelWaiting(tx: Transaction, tenantId: TenantId, id: string): Promise<void> {
  await tx
    .update(alertDelivery)
    .set({ state: 'cancelled', nextAttemptAt: null })
    .where(
      and(
        ...[eq(alertDelivery.tenantId, tenantId), eq(alertDelivery.subscriptionId, id)],
        eq(alertDelivery.state, 'pending'),
      ),
    );
}

function toView(row: SubscriptionRow): rest.AlertSubscription {
  const { id, tenantId, label, kinds, watchLists, sites, schedule, url, disabledReason } = row;
  return {
    ...{ id, label, kinds: [...kinds], watchLists, sites, disabledReason, enabled: disabledReason === null },
    schedule: schedule && { ...schedule, days: [...schedule.days] },
    channel: url === null ? { kind: 'mqtt', topic: tenantTopicOf(tenantId, 'alert') } : { kind: 'webhook', url },
    failingSince: row.failingSince?.toISOString() ?? null,
    pausedUntil: row.pausedUntil?.toISOString() ?? null,
    secretRotatedAt: row.secretRotatedAt?.toISOString() ?? null,
    previousSecretExpiresAt: row.previousSecretExpiresAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
  };
}
