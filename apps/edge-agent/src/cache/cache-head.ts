import { z } from 'zod';
import type { KeyId, SpaceId } from '@sightline/kernel';

/** Where all templates of a cache belong. */
export interface Belonging {
  readonly spaceId: SpaceId;
  readonly keyId: KeyId;
  readonly dimension: number;
}

/** By the cloud's clock, ms since the Unix epoch. */
export interface Lease {
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** What is held besides people. */
export interface CacheHead {
  /** Minted by the cloud; empty while there is no cache. */
  readonly cacheId: string;
  readonly version: number;
  /** Null until the first one came: then nothing is matched. */
  readonly lease: Lease | null;
  /** Of the newest lease that any cache of this box had: a cache that begins with an older one is an old message. */
  readonly newestLeaseMs: number;
  /** Null while nobody is held. */
  readonly belonging: Belonging | null;
  /** Caches that have ended, latest first: what still comes of them is an old message. */
  readonly retired: readonly string[];
}

export const emptyHead: CacheHead = {
  cacheId: '',
  version: 0,
  lease: null,
  newestLeaseMs: 0,
  belonging: null,
  retired: [],
};

/** As it is stored. */
export const cacheHeadSchema = z.object({
  cacheId: z.string(),
  version: z.number().int().min(0),
  lease: z.object({ issuedAtMs: z.number(), expiresAtMs: z.number() }).nullable(),
  newestLeaseMs: z.number(),
  belonging: z
    .object({
      spaceId: z.custom<SpaceId>((value) => typeof value === 'string'),
      keyId: z.custom<KeyId>((value) => typeof value === 'string'),
      dimension: z.number().int().positive(),
    })
    .nullable(),
  retired: z.array(z.string()),
});
