import type { rest } from '@sightline/contracts';
import type { PersonId, SightingId, TenantId } from '@sightline/kernel';

/** What holds for a tenant that has said nothing. */
export const defaultAlertPolicy: rest.AlertPolicy = {
  cooldownSeconds: 300,
  cooldownPlace: 'camera',
  lateAfterSeconds: 60,
  maximumAgeSeconds: 86_400,
};

/** Somebody on a watch-list, at a place and time. */
export interface Seen {
  readonly tenantId: TenantId;
  readonly watchList: string;
  readonly personId: PersonId;
  readonly siteId: string;
  readonly deviceId: string;
  readonly cameraId: string;
  readonly occurredAt: Date;
}

/** Somebody on a watch-list as a sighting's state has them now. */
export interface Hit extends Seen {
  readonly sightingId: SightingId;
  readonly policy: rest.AlertPolicy;
}

/** An alert that there is already, of one of the sightings. */
export interface KnownAlert {
  readonly tenantId: TenantId;
  readonly sightingId: SightingId | null;
  readonly watchList: string | null;
  readonly personId: PersonId | null;
  readonly retraction: 'revised' | 'reviewed' | null;
}

/** Whether what was seen is too old to alert anybody of it. */
export function isTooOld({ occurredAt, policy }: Pick<Hit, 'occurredAt' | 'policy'>, now: Date): boolean {
  return now.getTime() - occurredAt.getTime() > policy.maximumAgeSeconds * 1000;
}

/** Whether an alert says that it is late. */
export function isLate({ occurredAt, policy }: Pick<Hit, 'occurredAt' | 'policy'>, now: Date): boolean {
  return now.getTime() - occurredAt.getTime() > policy.lateAfterSeconds * 1000;
}

/**
 * Which hits are alerts. A sighting has one alert for each watch-list, and none of somebody whom a review has excluded.
 * The cooldown goes by the times at which the person was seen, whatever the order in which they become known: an alert is
 * left out when there is one of the same person, list and place from less than the cooldown before or after.
 *
 * @param known alerts of these sightings
 * @param recent alerts of these people, that were not retracted
 */
export function alertsAmong<H extends Hit>(
  hits: readonly H[],
  { known, recent }: { readonly known: readonly KnownAlert[]; readonly recent: readonly Seen[] },
): readonly H[] {
  const inOrder = [...hits].sort((one, other) => one.occurredAt.getTime() - other.occurredAt.getTime());
  const raised: H[] = [];
  for (const hit of inOrder) {
    const isKnown = known.some((alert) => isSameSighting(alert, hit) && excludes(alert, hit));
    if (isKnown || [...recent, ...raised].some((earlier) => isWithinCooldown(hit, earlier))) continue;
    raised.push(hit);
  }
  return raised;
}

function isSameSighting(alert: KnownAlert, { tenantId, sightingId, watchList }: Hit): boolean {
  return alert.tenantId === tenantId && alert.sightingId === sightingId && alert.watchList === watchList;
}

function excludes({ retraction, personId }: KnownAlert, hit: Hit): boolean {
  return retraction === null || (retraction === 'reviewed' && personId === hit.personId);
}

function isWithinCooldown(hit: Hit, other: Seen): boolean {
  const { cooldownSeconds, cooldownPlace } = hit.policy;
  const isSamePerson =
    other.tenantId === hit.tenantId && other.personId === hit.personId && other.watchList === hit.watchList;
  const isSamePlace =
    cooldownPlace === 'site'
      ? other.siteId === hit.siteId
      : other.deviceId === hit.deviceId && other.cameraId === hit.cameraId;
  const apartMs = Math.abs(other.occurredAt.getTime() - hit.occurredAt.getTime());
  return isSamePerson && isSamePlace && apartMs < cooldownSeconds * 1000;
}
