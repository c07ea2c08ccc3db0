import { backoffMs, isInSchedule } from '@sightline/kernel';

import type { alertSubscription } from '../storage/alert-schema.js';
import type { AlertRow } from './alert-view.js';

export type SubscriptionRow = typeof alertSubscription.$inferSelect;

/** A message is tried for so long, ms. */
export const DELIVERY_MS = 86_400_000;
/** The longest pause between two attempts, ms. */
const LONGEST_PAUSE_MS = 3 * 3_600_000;
const FIRST_PAUSE_MS = 10_000;
/** Failures in a row from which on a subscription is tried with one message at a time, after pauses. */
const CIRCUIT_FAILURES = 3;
/** The longest such pause, ms: a receiver that is back is found so soon. */
const LONGEST_CIRCUIT_PAUSE_MS = 900_000;
/** A webhook that has failed for so long, and received nothing meanwhile, is disabled, ms. */
const FAILING_MS = 5 * 86_400_000;

/** How one attempt went. */
export interface AttemptResult {
  readonly delivered: boolean;
  readonly statusCode: number | null;
  /** Why it failed; null: it did not. */
  readonly code: string | null;
  readonly durationMs: number;
  /** For how long the receiver asked not to come again, ms. */
  readonly retryAfterMs?: number | undefined;
}

export interface FollowUp {
  /** Null: the message is settled. */
  readonly nextAttemptAt: Date | null;
  /** Null: it may go on at once. */
  readonly pausedUntil: Date | null;
  readonly disabled: 'gone' | 'failing' | null;
}

/** Whether a subscription asks for an alert. */
export function wants(
  { kinds, watchLists, sites, schedule }: Pick<SubscriptionRow, 'kinds' | 'watchLists' | 'sites' | 'schedule'>,
  alert: Pick<AlertRow, 'kind' | 'watchList' | 'siteId' | 'occurredAt'>,
): boolean {
  if (kinds.length > 0 && !kinds.includes(alert.kind)) return false;
  if (watchLists.length > 0 && alert.watchList !== null && !watchLists.includes(alert.watchList)) return false;
  if (sites.length > 0 && (alert.siteId === null || !sites.includes(alert.siteId))) return false;
  return schedule === null || isInSchedule(schedule, alert.occurredAt.getTime());
}

/**
 * What follows from an attempt that failed. A message is tried again with growing pauses for a day (10 s, 20 s, 40 s … 3 h,
 * half of each by chance). A subscription whose attempts fail one after the other is paused as a whole, so that a
 * receiver that is dead costs one attempt from time to time.
 *
 * @param failed `attempts` of the message and `failures` of the subscription in a row, this one included
 */
export function afterFailure(
  { statusCode, retryAfterMs = 0 }: Pick<AttemptResult, 'statusCode' | 'retryAfterMs'>,
  failed: {
    readonly attempts: number;
    readonly failures: number;
    readonly failingSince: Date;
    readonly expiresAt: Date;
    readonly channel: 'webhook' | 'mqtt';
  },
  { now, random }: { readonly now: Date; readonly random: () => number },
): FollowUp {
  const { attempts, failures, failingSince, expiresAt, channel } = failed;
  if (statusCode === 410) return { nextAttemptAt: null, pausedUntil: null, disabled: 'gone' };
  // The broker is the installation's own: that it is away is no reason to forget who listens there.
  if (channel === 'webhook' && now.getTime() - failingSince.getTime() >= FAILING_MS) {
    return { nextAttemptAt: null, pausedUntil: null, disabled: 'failing' };
  }
  const own = backoffMs(attempts - 1, { baseMs: FIRST_PAUSE_MS, capMs: LONGEST_PAUSE_MS, random });
  const next = new Date(now.getTime() + Math.max(own, retryAfterMs));
  const circuitMs =
    failures < CIRCUIT_FAILURES
      ? 0
      : backoffMs(failures - CIRCUIT_FAILURES, { baseMs: FIRST_PAUSE_MS, capMs: LONGEST_CIRCUIT_PAUSE_MS, random });
  const pauseMs = Math.max(circuitMs, retryAfterMs);
  return {
    nextAttemptAt: next > expiresAt ? null : next,
    pausedUntil: pauseMs === 0 ? null : new Date(now.getTime() + pauseMs),
    disabled: null,
  };
}

/** Messages that may be under way to a subscription at once. */
export function lanesOf(failures: number): number {
  return failures === 0 ? 4 : 1;
}

/**
 * For how long a `Retry-After` (RFC 9110, section 10.2.3: seconds, or a date) asks to wait, ms, a day at most.
 *
 * @returns undefined for what is neither
 */
export function retryAfterMs(header: string | undefined, wallMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - wallMs;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), DELIVERY_MS) : undefined;
}
