import type { rest } from '@sightline/contracts';

import type { EdgeCacheErasureView, ErasureGalleryRow, ErasureRow } from './erasure-rows.js';

/** What a statement is made of. */
export interface ErasureFacts {
  readonly erasure: ErasureRow;
  readonly keyStore: { readonly id: string; readonly kind: string };
  readonly galleries: readonly ErasureGalleryRow[];
  readonly devices: readonly EdgeCacheErasureView[];
  /** Of people who had been merged into this one. */
  readonly parts: readonly ErasureRow[];
}

/** Whether everybody who has to has confirmed: then, and only then, the erasure may be completed. */
export function isConfirmed({ erasure, galleries, devices, parts }: ErasureFacts): boolean {
  return (
    erasure.keyDestroyedAt !== null &&
    // Where there were templates, galleries have been asked: this process has one.
    (erasure.feedLast === null || galleries.length > 0) &&
    galleries.every(({ confirmedAt }) => confirmedAt !== null) &&
    devices.every(({ confirmedAt }) => confirmedAt !== null) &&
    parts.every(({ completedAt }) => completedAt !== null)
  );
}

/**
 * What may be said of an erasure: who has confirmed, who is outstanding, and not whom it was about.
 *
 * @param completedAt null as long as it is not complete
 */
export function statementOf(facts: ErasureFacts, completedAt: Date | null): rest.ErasureStatement {
  const { erasure, keyStore, galleries, devices, parts } = facts;
  const requestedAt = erasure.erasedAt.toISOString();
  return {
    format: 'sightline-erasure-1',
    erasureId: erasure.id,
    requestedAt,
    complete: completedAt !== null,
    completedAt: timestamp(completedAt),
    includes: parts.map(({ id }) => id),
    stores: [
      { store: 'database', id: 'cloud', what: 'The rows of the person were deleted.', confirmedAt: requestedAt },
      {
        ...{ store: 'key-store', id: keyStore.id, confirmedAt: timestamp(erasure.keyDestroyedAt) },
        what: `The person's key was destroyed (${keyStore.kind}): what it sealed is unreadable in logs and backups.`,
      },
    ],
    galleries: galleries.map(({ galleryId, kind, outcome, confirmedAt }) => ({
      ...{ id: galleryId, kind, outcome, confirmedAt: timestamp(confirmedAt) },
    })),
    devices: devices.map(({ deviceId, sentAt, confirmedAt, leaseExpiresAt }) => ({
      ...{ deviceId, sentAt: timestamp(sentAt), confirmedAt: timestamp(confirmedAt) },
      leaseExpiresAt: timestamp(leaseExpiresAt),
    })),
  };
}

/**
 * The one encoding that is signed: JSON without white space, members of every object in the order of their names
 * (RFC 8785, of whose rules strings, booleans and nulls need no more).
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}

const timestamp = (time: Date | null): string | null => time?.toISOString() ?? null;
