import { randomUUID } from 'node:crypto';

import type { DeviceAddress } from '@sightline/contracts';
import type { Transaction } from '@sightline/database';
import { backoffMs } from '@sightline/kernel';
import { and, eq, sql } from 'drizzle-orm';

import { edgeCache } from '../storage/edge-cache-schema.js';
import { device } from '../storage/schema.js';
import type { PersonalData } from '../personal-data/personal-data.js';
import type { TemplateKeys } from '../template-keys/template-keys.js';
import { contentOfVersion, takeVersion, type FilledCache, type VersionContent } from './cache-content.js';
import { planWhole, type PlannedCache } from './cache-plan.js';

export type EdgeCacheRow = typeof edgeCache.$inferSelect;

/** A message for a box, before it is signed. */
export interface PlannedDelta extends VersionContent {
  readonly fromVersion: number;
  readonly toVersion: number;
}

/** Messages for one box, in their order. */
export interface CacheStep {
  readonly address: DeviceAddress;
  readonly cacheId: string;
  readonly correlationId: string;
  readonly lease: { readonly issuedAt: Date; readonly expiresAt: Date };
  readonly deltas: readonly PlannedDelta[];
}

export interface StepOptions {
  readonly now: Date;
  readonly leaseMs: number;
  readonly random: () => number;
  readonly personalData: PersonalData;
  readonly templateKeys: TemplateKeys;
}

/** Versions that may be under way to a box: what it has not confirmed is kept by the broker. */
export const WINDOW = 2;
/** A whole plan is made so often, ms: people fall out of the time that counts. What changes is planned by itself. */
export const PLAN_EVERY_MS = 3_600_000;
/** What is not confirmed is sent again, first within a minute, at last every half hour. */
const RESEND = { baseMs: 60_000, capMs: 1_800_000 };

/** A lease is renewed after a seventh of its duration: daily, of one of a week. */
export const renewAfterMs = (leaseMs: number): number => leaseMs / 7;

/**
 * Takes the next step of one box's cache: plans what is due, and gives versions to what may be sent. Everything that
 * the box may come to hold is written down before it is sent. Several processes may try: the row's lock lets one.
 *
 * @returns what is to be published once the transaction has committed; undefined when there is nothing
 */
export async function takeStep(
  tx: Transaction,
  address: DeviceAddress,
  options: StepOptions,
): Promise<CacheStep | undefined> {
  const [cache] = await tx.select().from(edgeCache).where(isCache(address)).for('update', { skipLocked: true });
  if (cache === undefined || cache.maximumTemplates === 0) return undefined;
  const box = and(eq(device.tenantId, address.tenantId), eq(device.id, address.deviceId));
  const [found] = await tx.select({ siteId: device.siteId, online: device.online }).from(device).where(box);
  // One that is away is told at its birth.
  if (!found?.online) return undefined;
  const planned = {
    ...{ ...address, siteId: found.siteId, modelSpace: cache.modelSpace, keyId: cache.keyId },
    capacity: Math.min(cache.maximumTemplates, cache.fullAtTemplates ?? cache.maximumTemplates),
    personalData: options.personalData,
    templateKeys: options.templateKeys,
  };
  await planIfDue(tx, cache, planned, options.now);
  const again = await resend(tx, cache, planned, options.now);
  const fresh = await takeVersions(tx, cache, planned, options.now);
  const deltas = [...again, ...fresh];
  if (deltas.length > 0) return sent(tx, cache, deltas, options, again.length > 0);
  if (!isLeaseDue(cache, options)) return undefined;
  const { sentVersion: version } = cache;
  const renewal = { fromVersion: version, toVersion: version, tombstones: [], people: [] };
  return sent(tx, cache, [renewal], options, false);
}

const isCache = ({ tenantId, deviceId }: DeviceAddress) =>
  and(eq(edgeCache.tenantId, tenantId), eq(edgeCache.deviceId, deviceId));

async function planIfDue(tx: Transaction, cache: EdgeCacheRow, planned: PlannedCache, now: Date): Promise<void> {
  if (cache.plannedAt !== null && now.getTime() - cache.plannedAt.getTime() < PLAN_EVERY_MS) return;
  const plannedTemplates = await planWhole(tx, planned, now);
  await tx.update(edgeCache).set({ plannedTemplates, plannedAt: now }).where(isCache(cache));
}

/** What is under way and not confirmed in time. */
async function resend(
  tx: Transaction,
  { sentVersion, confirmedVersion, resendAt }: EdgeCacheRow,
  planned: FilledCache,
  now: Date,
): Promise<readonly PlannedDelta[]> {
  if (sentVersion === confirmedVersion || resendAt === null || resendAt > now) return [];
  const deltas: PlannedDelta[] = [];
  for (let version = confirmedVersion + 1; version <= sentVersion; version += 1) {
    const content = await contentOfVersion(tx, planned, version);
    deltas.push({ fromVersion: version - 1, toVersion: version, ...content });
  }
  return deltas;
}

/** What is new, as far as the window allows. Tombstones do not wait for it. */
async function takeVersions(
  tx: Transaction,
  { sentVersion, confirmedVersion, resendAt }: EdgeCacheRow,
  planned: FilledCache,
  now: Date,
): Promise<readonly PlannedDelta[]> {
  const begins = sentVersion === 0;
  if (begins && resendAt !== null && resendAt > now) return [];
  const deltas: PlannedDelta[] = [];
  for (let version = sentVersion + 1; ; version += 1) {
    const isOpen = version - confirmedVersion <= WINDOW;
    const content = await takeVersion(tx, planned, { version, now, people: isOpen });
    const isEmpty = content.tombstones.length === 0 && content.people.length === 0;
    // The first version tells the box that its cache has begun, also when nobody is in it.
    if (isEmpty && !(begins && version === 1)) return deltas;
    deltas.push({ fromVersion: version - 1, toVersion: version, ...content });
  }
}

function isLeaseDue(cache: EdgeCacheRow, { now, leaseMs }: StepOptions): boolean {
  // What is under way brings a lease.
  if (cache.sentVersion !== cache.confirmedVersion || cache.sentVersion === 0) return false;
  const issuedMs = cache.leaseIssuedAt?.getTime() ?? 0;
  return cache.leaseDue || now.getTime() - issuedMs >= renewAfterMs(leaseMs);
}

async function sent(
  tx: Transaction,
  cache: EdgeCacheRow,
  deltas: readonly PlannedDelta[],
  { now, leaseMs, random }: StepOptions,
  again: boolean,
): Promise<CacheStep> {
  const { tenantId, deviceId, cacheId } = cache;
  const correlationId = randomUUID();
  // A box refuses a cache whose lease is older than one that it has seen: this clock may have been set back.
  const issuedAt = new Date(Math.max(now.getTime(), cache.leaseIssuedAt?.getTime() ?? 0));
  const expiresAt = new Date(issuedAt.getTime() + leaseMs);
  const sentVersion = Math.max(cache.sentVersion, ...deltas.map(({ toVersion }) => toVersion));
  const attempts = again ? cache.attempts + 1 : cache.attempts;
  const resendAt =
    sentVersion === cache.confirmedVersion
      ? null
      : new Date(now.getTime() + backoffMs(attempts, { ...RESEND, random }));
  await tx
    .update(edgeCache)
    .set({
      ...{ sentVersion, correlationId, attempts, resendAt, sentAt: now, leaseDue: false },
      ...{ leaseIssuedAt: issuedAt, leaseExpiresAt: sql`greatest(${edgeCache.leaseExpiresAt}, ${expiresAt})` },
    })
    .where(isCache(cache));
  return { address: { tenantId, deviceId }, cacheId, correlationId, lease: { issuedAt, expiresAt }, deltas };
}
