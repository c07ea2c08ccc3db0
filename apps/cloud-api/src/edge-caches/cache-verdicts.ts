/** Where a box's cache stands, as far as the cloud knows. */
export interface KnownCache {
  readonly cacheId: string;
  readonly modelSpace: string;
  readonly keyId: string;
  readonly sentVersion: number;
  readonly confirmedVersion: number;
  /** Times that something was sent again without any progress since. */
  readonly attempts: number;
  /** Of what was sent last. */
  readonly correlationId: string;
}

/** What a birth says of a box's cache. */
export interface BornCache {
  /** Empty: the box holds none. */
  readonly cacheId: string;
  readonly version: number;
  /** 0: the box keeps no cache. */
  readonly maximumTemplates: number;
  /** Of the release that runs; undefined before there is one. */
  readonly modelSpace: string | undefined;
  readonly keyId: string;
}

export type BirthVerdict =
  /** The box keeps no cache, or runs nothing yet whose templates it could take. */
  | { readonly kind: 'none' }
  | { readonly kind: 'begin' }
  /** It goes on from the version that the box holds. */
  | { readonly kind: 'resume'; readonly version: number };

/**
 * How a cache goes on at a birth. What was confirmed is not kept as it was sent: a box that holds less than it had
 * confirmed (a disk that was put back) begins anew, as does one that says it holds more than it was ever sent.
 */
export function judgeBirth(known: KnownCache | undefined, born: BornCache): BirthVerdict {
  const { cacheId, version, maximumTemplates, modelSpace, keyId } = born;
  if (maximumTemplates === 0 || modelSpace === undefined || keyId === '') return { kind: 'none' };
  if (known?.modelSpace !== modelSpace || known.keyId !== keyId) return { kind: 'begin' };
  if (known.cacheId !== cacheId) {
    // Nothing of the present cache has reached it: it still has the former one, or none.
    return known.confirmedVersion === 0 ? { kind: 'resume', version: 0 } : { kind: 'begin' };
  }
  const isServable = version >= known.confirmedVersion && version <= known.sentVersion;
  return isServable ? { kind: 'resume', version } : { kind: 'begin' };
}

/** What a receipt says of a box's cache. */
export interface ReceivedState {
  readonly cacheId: string;
  readonly version: number;
  readonly correlationId: string;
  /** Empty: all is well. */
  readonly error: string;
}

export type ReceiptVerdict =
  /** Late, or of a former cache. */
  | { readonly kind: 'old' }
  /** `version` is held; `again`: what follows it is to be sent again now. */
  | { readonly kind: 'held'; readonly version: number; readonly again: boolean }
  | { readonly kind: 'begin' };

/** After so many attempts in vain to fill a gap the cache begins anew. */
const ATTEMPTS_TO_FILL = 3;

/**
 * What follows from a receipt. Only a refusal of what was sent last counts: messages that were under way together are
 * refused together, and are sent again once.
 */
export function judgeReceipt(known: KnownCache, receipt: ReceivedState): ReceiptVerdict {
  const { cacheId, version, error } = receipt;
  const isGap = error === 'CACHE.GAP' && receipt.correlationId === known.correlationId;
  const inVain = known.attempts >= ATTEMPTS_TO_FILL;
  if (cacheId !== known.cacheId) {
    if (!isGap) return { kind: 'old' };
    return known.confirmedVersion === 0 && !inVain ? { kind: 'held', version: 0, again: true } : { kind: 'begin' };
  }
  if (version > known.sentVersion) return { kind: 'begin' };
  if (version < known.confirmedVersion) return isGap ? { kind: 'begin' } : { kind: 'old' };
  const isProgress = version > known.confirmedVersion;
  if (isGap && inVain && !isProgress) return { kind: 'begin' };
  return { kind: 'held', version, again: isGap };
}
