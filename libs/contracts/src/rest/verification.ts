import { z } from 'zod';

import { uuidSchema } from './common.js';
import { decisionUseSchema } from './decisions.js';
import { faceSchema, usedReleaseSchema } from './faces.js';

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const verifyQuerySchema = z
  .object({
    falseMatchRate: z.coerce
      .number()
      .gt(0)
      .max(1)
      .optional()
      .describe(
        'Share of impostors who may pass one comparison, within the calibrated range. Default: that of identification.',
      ),
    use: decisionUseSchema
      .optional()
      .describe(
        "What it is for: the decision policy's rules for it are asked of `photo` (rates, quality, presentation), and of two rates the stricter counts. Default: no policy.",
      ),
    face: z
      .enum(['only', 'largest'])
      .default('only')
      .describe('Of a photo of several faces: refuse it (only), or take the largest.'),
  })
  .strict();
export type VerifyQuery = z.infer<typeof verifyQuerySchema>;

/** What a photo was compared with. */
const referenceSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('photo'), face: faceSchema }),
  z.object({ kind: z.literal('person'), personId: uuidSchema, templates: z.number().int() }),
  z.object({ kind: z.literal('template') }),
]);

export const verifyResponseSchema = z
  .object({
    outcome: z
      .enum(['matched', 'not-matched', 'refused'])
      .describe(
        'refused: the two must not be compared, or the policy refuses `photo`, for the reason in `refusalCode`.',
      ),
    refusalCode: z.string().nullable(),
    score: z.number().nullable().describe('Cosine similarity, -1 to 1; to a person: that of their nearest template.'),
    threshold: z.number().describe('The bar that the score was held against.'),
    falseMatchRate: z.number().describe('The false-match rate that the threshold stands for, of one comparison.'),
    liveScore: z.number().nullable().describe('Of `photo`, 0 to 1; assessed where the policy requires it for the use.'),
    face: faceSchema.describe('The face of `photo`.'),
    reference: referenceSchema,
    release: usedReleaseSchema,
    modelSpace: z.string(),
    stageMs: z.record(z.string(), z.number()).describe('Duration of each stage, ms; of both photos together.'),
  })
  .meta({ id: 'VerifyResponse' });
export type VerifyResponse = z.infer<typeof verifyResponseSchema>;
