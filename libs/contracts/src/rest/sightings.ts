import { z } from 'zod';

import { pageOf, pageQuerySchema, slugSchema, timestampSchema, uuidSchema } from './common.js';
import { decisionSchema, outcomeSchema } from './identification.js';

export const sightingSchema = z
  .object({
    id: uuidSchema,
    deviceId: slugSchema,
    siteId: slugSchema,
    cameraId: z.string(),
    phase: z.enum(['open', 'update', 'close']),
    revision: z.number().int(),
    firstSeenAt: timestampSchema,
    lastSeenAt: timestampSchema,
    receivedAt: timestampSchema,
    quality: z.number(),
    liveScore: z
      .number()
      .nullable()
      .describe('How live the person looked, 0 to 1: no probability. Null where the camera does not look for attacks.'),
    frames: z.number().int(),
    replayed: z.boolean().describe('It reached the cloud only when it was sent again.'),
    releaseDigest: z.string(),
    decision: decisionSchema,
    refusalCode: z.string().nullable(),
    localDiffered: z
      .boolean()
      .describe('The box had named somebody by its own cache, and the decision names another or nobody.'),
    stageMs: z
      .record(z.string(), z.number())
      .describe(
        'Duration of each stage, ms: detect, landmarks, align, embed and presentation on the box, identify in the cloud.',
      ),
    latencyMs: z.number().describe('From the record on the box to the committed decision, ms.'),
  })
  .meta({ id: 'Sighting' });
export type Sighting = z.infer<typeof sightingSchema>;

export const sightingPageSchema = pageOf(sightingSchema, 'SightingPage');
export type SightingPage = z.infer<typeof sightingPageSchema>;

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const sightingQuerySchema = pageQuerySchema
  .extend({
    deviceId: slugSchema.optional(),
    personId: uuidSchema.optional(),
    outcome: outcomeSchema.optional(),
    from: timestampSchema.optional(),
    to: timestampSchema.optional(),
    receivedFrom: timestampSchema
      .optional()
      .describe('Only what the cloud was told of from then on: what a client that was away has missed.'),
  })
  .strict();
export type SightingQuery = z.infer<typeof sightingQuerySchema>;
