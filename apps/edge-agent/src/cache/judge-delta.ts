import type { GalleryDeltaBody } from '@sightline/contracts';

import type { CacheHead, Lease } from './cache-head.js';

/** Why a delta was not taken. */
export type CacheRefusal =
  /** Signed by nobody whom the box knows, or changed on the way. */
  | 'CACHE.BAD_SIGNATURE'
  | 'CACHE.FOREIGN_DEVICE'
  /** It builds upon another version than the one that is held. */
  | 'CACHE.GAP'
  /** It begins a cache that is older than the one that is held. */
  | 'CACHE.STALE'
  | 'CACHE.INVALID'
  | 'CACHE.FOREIGN_SPACE'
  | 'CACHE.FOREIGN_KEY'
  /** More templates than the box takes. */
  | 'CACHE.FULL'
  | 'CACHE.DISK_FULL'
  | 'CACHE.UNAVAILABLE';

export type DeltaVerdict =
  /** `begins`: everybody goes first. */
  | { readonly kind: 'apply'; readonly begins: boolean; readonly head: CacheHead }
  /** All of it is held already, or belongs to a cache that has ended. `head`: a newer lease may still come with it. */
  | { readonly kind: 'repeated'; readonly head: CacheHead }
  | { readonly kind: 'refused'; readonly code: CacheRefusal };

/** Caches whose late messages are known as such. */
const RETIRED_REMEMBERED = 8;

const refused = (code: CacheRefusal): DeltaVerdict => ({ kind: 'refused', code });

/**
 * What is to be done with a delta whose signature is right and whose address is this box's: pure, so that every order
 * of messages can be tried.
 *
 * Versions of one cache only rise. A cache that has ended never returns, and one that begins with an older lease than
 * the newest that was seen is an old message: so a message that comes twice, late or in another order changes nothing.
 */
export function judgeDelta(body: GalleryDeltaBody, head: CacheHead): DeltaVerdict {
  const [from, to] = [Number(body.fromVersion), Number(body.toVersion)];
  const lease = leaseOf(body);
  if (body.cacheId === '' || !Number.isSafeInteger(to) || from > to || lease === 'invalid') {
    return refused('CACHE.INVALID');
  }
  if (body.cacheId === head.cacheId) {
    const renewed = withLease(head, lease);
    if (to < head.version || (to === head.version && from < to)) return { kind: 'repeated', head: renewed };
    if (from !== head.version) return refused('CACHE.GAP');
    return { kind: 'apply', begins: false, head: { ...renewed, version: to } };
  }
  if (head.retired.includes(body.cacheId)) return { kind: 'repeated', head };
  if (from !== 0) return refused('CACHE.GAP');
  if (lease && lease.issuedAtMs < head.newestLeaseMs) return refused('CACHE.STALE');
  const { cacheId: ended, newestLeaseMs } = head;
  const retired = [...(ended === '' ? [] : [ended]), ...head.retired].slice(0, RETIRED_REMEMBERED);
  const begun = { cacheId: body.cacheId, version: to, lease: null, newestLeaseMs, belonging: null, retired };
  return { kind: 'apply', begins: true, head: withLease(begun, lease) };
}

function leaseOf({ lease }: GalleryDeltaBody): Lease | undefined | 'invalid' {
  if (!lease) return undefined;
  const [issuedAtMs, expiresAtMs] = [Number(lease.issuedAtMs), Number(lease.expiresAtMs)];
  const isSound = issuedAtMs > 0 && Number.isSafeInteger(issuedAtMs) && Number.isSafeInteger(expiresAtMs);
  return isSound ? { issuedAtMs, expiresAtMs } : 'invalid';
}

/** The lease that was issued last holds, also when it ends earlier. */
function withLease(head: CacheHead, lease: Lease | undefined): CacheHead {
  if (!lease || lease.issuedAtMs <= (head.lease?.issuedAtMs ?? 0)) return head;
  return { ...head, lease, newestLeaseMs: Math.max(head.newestLeaseMs, lease.issuedAtMs) };
}
