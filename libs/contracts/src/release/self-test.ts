import { z } from 'zod';

/** What a box must reproduce before a release may become active. Taken before template protection. */
export const selfTestSchema = z.object({
  seed: z.number().int().describe('Of the synthetic frame, so that no photograph is in a release.'),
  embedding: z.object({
    values: z.array(z.number()).describe('Expected unit-length embedding of the synthetic frame.'),
    minimumCosine: z.number().min(0).max(1),
  }),
});
export type SelfTest = z.infer<typeof selfTestSchema>;
