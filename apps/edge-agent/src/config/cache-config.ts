import { z } from 'zod';

/** The people whom the box knows by itself. */
export const cacheSchema = z
  .object({
    enabled: z.boolean().default(true).describe('Without it the box names nobody by itself.'),
    maximumTemplates: z.number().int().min(1).max(100_000).default(20_000),
    keyFile: z
      .string()
      .min(1)
      .optional()
      .describe('What the cache is sealed with; made when it is not there. Default: cache.key in the data directory.'),
    falseMatchRate: z
      .number()
      .min(1e-5)
      .max(1e-2)
      .default(1e-4)
      .describe("Of one comparison, at most. The cloud's should be the same: SIGHTLINE_FALSE_MATCH_RATE."),
    falsePositiveRate: z
      .number()
      .min(1e-6)
      .max(0.5)
      .default(0.01)
      .describe('Of one search of the whole cache, at most: the threshold rises with the templates that it holds.'),
  })
  .strict()
  .prefault({});
export type CacheConfig = z.output<typeof cacheSchema>;
