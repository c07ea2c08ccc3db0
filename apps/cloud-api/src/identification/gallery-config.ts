import { AppError, isSlug } from '@sightline/kernel';
import { z } from 'zod';

/** Where a gallery lies that processes share. */
export interface QdrantConfig {
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** What the names of its collections begin with. Default: `sightline`. */
  readonly prefix?: string | undefined;
  /** Copies of each shard. Default: 1. */
  readonly replicas?: number | undefined;
  /** Default: exact. */
  readonly search?: 'exact' | 'approximate' | undefined;
}

/** Part of the program's environment. */
export const galleryEnvironment = {
  SIGHTLINE_QDRANT_URL: z.url({ protocol: /^https?$/ }).optional(),
  SIGHTLINE_QDRANT_API_KEY: z.string().min(1).optional(),
  SIGHTLINE_QDRANT_PREFIX: z.string().refine(isSlug, 'lower-case letters, digits and inner hyphens').optional(),
  SIGHTLINE_QDRANT_REPLICAS: z.coerce.number().int().min(1).max(16).optional(),
  SIGHTLINE_QDRANT_SEARCH: z.enum(['exact', 'approximate']).optional(),
};

/**
 * @returns undefined: each process has a flat gallery of its own
 * @throws AppError `CONFIG.INVALID` when a shared one is described and its address is missing
 */
export function qdrantFrom(value: z.output<z.ZodObject<typeof galleryEnvironment>>): QdrantConfig | undefined {
  if (value.SIGHTLINE_QDRANT_URL === undefined) {
    const { SIGHTLINE_QDRANT_API_KEY: key, SIGHTLINE_QDRANT_PREFIX: prefix } = value;
    const { SIGHTLINE_QDRANT_REPLICAS: replicas, SIGHTLINE_QDRANT_SEARCH: search } = value;
    if ((key ?? prefix ?? replicas ?? search) === undefined) return undefined;
    const keys = ['SIGHTLINE_QDRANT_URL'];
    throw new AppError('CONFIG.INVALID', `A gallery in Qdrant needs ${keys.join(', ')}.`, { details: { keys } });
  }
  return {
    url: value.SIGHTLINE_QDRANT_URL,
    apiKey: value.SIGHTLINE_QDRANT_API_KEY,
    prefix: value.SIGHTLINE_QDRANT_PREFIX,
    replicas: value.SIGHTLINE_QDRANT_REPLICAS,
    search: value.SIGHTLINE_QDRANT_SEARCH,
  };
}
