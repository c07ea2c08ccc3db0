import { z } from 'zod';

/** How the box keeps to the cloud, and what it says of itself. */
export const uplinkSchema = z
  .object({
    reconnectBaseMs: z
      .number()
      .int()
      .min(10)
      .max(60_000)
      .default(5000)
      .describe('The first delay before a new connection is anything up to it; it doubles with each attempt.'),
    reconnectCapMs: z.number().int().min(10).max(3_600_000).default(60_000).describe('Bound of every such delay.'),
    healthWindowMs: z.number().int().min(1000).max(3_600_000).default(300_000).describe('Length of a health window.'),
    healthEveryMs: z.number().int().min(1000).max(3_600_000).default(60_000).describe('Between two health snapshots.'),
  })
  .strict()
  .prefault({});
