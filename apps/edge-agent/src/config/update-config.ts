import { z } from 'zod';

/** How the box takes a new release. */
export const updateSchema = z
  .object({
    bytesPerSecond: z
      .number()
      .int()
      .min(1024)
      .optional()
      .describe('A download takes no more of the line than this. Without it: as fast as it comes.'),
    jitterMs: z
      .number()
      .int()
      .min(0)
      .max(86_400_000)
      .default(0)
      .describe('A download begins at a random moment within so long of its order, so that a fleet does not at once.'),
    probationMs: z
      .number()
      .int()
      .min(1000)
      .max(86_400_000)
      .default(60_000)
      .describe('How long a new release has to run well before the one before it is let go.'),
    probationBoots: z
      .number()
      .int()
      .min(1)
      .max(100)
      .default(3)
      .describe('Starts of the agent that a release on probation has: one that ends the process is given up.'),
  })
  .strict()
  .prefault({});
