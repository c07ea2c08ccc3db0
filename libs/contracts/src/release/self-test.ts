import { z } from 'zod';

const signedSumsSchema = z.object({
  values: z
    .array(z.number())
    .min(1)
    .max(1024)
    .describe("Sums of all of the model's outputs, each with its own pseudo-random signs drawn from the seed."),
  tolerance: z.number().positive().describe('Largest absolute difference of any of them.'),
});

/**
 * What a box must reproduce before a release may become active. Taken before template protection, on a
 * synthetic frame that the seed draws, so that no photograph is in a release; boxes and points on it are
 * fixed, so that each model is judged alone, together with its own pre-processing.
 */
export const selfTestSchema = z.object({
  seed: z.number().int().min(0).max(0xffffffff).describe('Of the synthetic frame.'),
  detector: signedSumsSchema,
  landmarks: signedSumsSchema,
  embedding: z.object({
    values: z.array(z.number()).describe('Expected unit-length embedding of the synthetic frame.'),
    minimumCosine: z.number().min(0).max(1),
  }),
  presentationAttack: signedSumsSchema
    .optional()
    .describe('Absent where the release has no such model, or is older than its test.'),
  statement: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional()
    .describe('SHA-256 over the digests and specs of the models and the calibration. Absent in older releases.'),
});
export type SelfTest = z.infer<typeof selfTestSchema>;
