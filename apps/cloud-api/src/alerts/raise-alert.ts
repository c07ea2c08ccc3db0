import { randomUUID } from 'node:crypto';

import type { Transaction } from '@sightline/database';
import type { DeviceId, PersonId, SightingId, TenantId } from '@sightline/kernel';
import { sql } from 'drizzle-orm';

import { alert, type AlertDetails } from '../storage/alert-schema.js';

/** Somebody on a watch-list was seen. */
interface WatchListAlert {
  readonly kind: 'watch-list';
  readonly watchList: string;
  readonly personId: PersonId;
  readonly sightingId: SightingId;
  readonly revision: number;
  /** Cosine to the person, -1 to 1. */
  readonly score: number | null;
}

/** What the models, and not a person, are the reason of. */
interface ModelAlert {
  readonly kind: 'drift' | 'retraining';
  /** Numbers, words and ids of the kind's own: no names, no templates. */
  readonly details: AlertDetails;
}

export type NewAlert = (WatchListAlert | ModelAlert) & {
  readonly tenantId: TenantId;
  /** The same for what is to be told once: while such an alert is not retracted, there is no second. */
  readonly dedupeKey: string;
  /** When it was the case. Default: now. */
  readonly occurredAt?: Date | undefined;
  /** It is known later than it should be. Default: false. */
  readonly late?: boolean | undefined;
  readonly siteId?: string | undefined;
  readonly deviceId?: DeviceId | undefined;
  readonly cameraId?: string | undefined;
};

/**
 * Raises an alert in the transaction of what it is about: neither is there without the other. It is delivered soon after
 * the commit, by whichever process.
 *
 * @returns the alert's id; undefined when there is one with its key
 */
export async function raiseAlert(tx: Transaction, raised: NewAlert, now: Date): Promise<string | undefined> {
  const { occurredAt = now, late = false, ...given } = raised;
  const [row] = await tx
    .insert(alert)
    .values({ ...given, id: randomUUID(), raisedAt: now, occurredAt, late })
    .onConflictDoNothing({ target: [alert.tenantId, alert.dedupeKey], where: sql`retracted_at IS NULL` })
    .returning({ id: alert.id });
  if (row !== undefined) await tellDelivery(tx);
  return row?.id;
}

/** Wakes the delivery once the transaction is committed. */
export async function tellDelivery(tx: Transaction): Promise<void> {
  await tx.execute(sql`SELECT pg_notify('cloud_alert', '')`);
}
