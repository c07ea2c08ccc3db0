import type { GalleryDelta, GalleryReceipt, Identification, LocalDecision } from '@sightline/contracts';
import { isAppError, type Logger, type PersonId } from '@sightline/kernel';

import type { CacheContent } from './cache-content.js';
import type { DeltaCounts, DeltaReceiver } from './delta-receiver.js';
import type { LocalMatcher, LocalProbe, MatchCounts } from './local-matcher.js';

export interface LocalCacheStatus {
  /** `unavailable`: its file or key cannot be used. `empty`: nobody is held. `expired`: the lease does not hold. */
  readonly state: 'ready' | 'empty' | 'expired' | 'unavailable';
  readonly cacheId: string;
  readonly version: number;
  readonly people: number;
  readonly templates: number;
  readonly maximumTemplates: number;
  /** By the cloud's clock; null where no lease came yet. */
  readonly leaseExpiresAt: string | null;
  readonly deltas: DeltaCounts;
  readonly matches: MatchCounts;
  /** People whom the cloud contradicted the box about three times or more. */
  readonly oftenContradicted: number;
}

export interface LocalCacheParts {
  readonly content: CacheContent;
  readonly receiver: DeltaReceiver;
  readonly matcher: LocalMatcher;
  readonly maximumTemplates: number;
  readonly log: Logger;
}

/**
 * The people whom a box knows by itself: filled by the cloud's signed deltas, matched against while the cloud's lease
 * holds, with or without a connection.
 */
export class LocalCache {
  readonly #parts: LocalCacheParts;

  constructor(parts: LocalCacheParts) {
    this.#parts = parts;
  }

  /** What birth says of it. */
  get holding(): { readonly cacheId: string; readonly version: number; readonly maximumTemplates: number } {
    const { content, maximumTemplates } = this.#parts;
    const { cacheId, version } = content.head;
    return { cacheId, version, maximumTemplates };
  }

  get status(): LocalCacheStatus {
    const { content, receiver, matcher } = this.#parts;
    const { people } = content;
    const { lease } = content.head;
    return {
      state: this.#state(),
      ...this.holding,
      people: people?.people ?? 0,
      templates: people?.templates ?? 0,
      leaseExpiresAt: lease ? new Date(lease.expiresAtMs).toISOString() : null,
      deltas: receiver.counts,
      matches: matcher.counts,
      oftenContradicted: content.oftenContradicted,
    };
  }

  /** {@link DeltaReceiver.take} */
  take(delta: GalleryDelta): GalleryReceipt {
    return this.#parts.receiver.take(delta);
  }

  /** {@link DeltaReceiver.pendingReceipt}; none when it cannot be read. Never throws. */
  pendingReceipt(): GalleryReceipt | undefined {
    const { receiver, log } = this.#parts;
    try {
      return receiver.pendingReceipt();
    } catch (error) {
      // Asked again on the next connection.
      log.warn({ code: isAppError(error) ? error.code : 'CACHE.UNAVAILABLE' }, 'receipts could not be looked up');
      return undefined;
    }
  }

  /** The broker has taken a receipt: its erasures need no other. Never throws. */
  receipted({ erasureIds }: GalleryReceipt): void {
    const { content, log } = this.#parts;
    try {
      content.receipted(erasureIds);
    } catch (error) {
      // They are told again on the next connection.
      log.debug({ code: isAppError(error) ? error.code : 'CACHE.UNAVAILABLE' }, 'receipts were not written down');
    }
  }

  /** {@link LocalMatcher.decide} */
  decide(probe: LocalProbe): LocalDecision | undefined {
    return this.#parts.matcher.decide(probe);
  }

  /** {@link LocalMatcher.answered} */
  answered(answer: Identification): void {
    this.#parts.matcher.answered(answer);
  }

  groupsOf(personId: PersonId): readonly string[] {
    return this.#parts.content.people?.groupsOf(personId) ?? [];
  }

  close(): void {
    this.#parts.content.close();
  }

  #state(): LocalCacheStatus['state'] {
    const { content, matcher } = this.#parts;
    if (!content.isAvailable) return 'unavailable';
    if ((content.people?.people ?? 0) === 0) return 'empty';
    return matcher.leaseHolds ? 'ready' : 'expired';
  }
}
