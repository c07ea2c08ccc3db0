import { z } from 'zod';

import { pageOf, pageQuerySchema, slugSchema, timestampSchema, uuidSchema } from './common.js';
import { sightingSchema } from './sightings.js';

export const putStrangerClusteringSchema = z
  .object({
    sites: z
      .array(slugSchema)
      .max(1000)
      .describe('Where unknown people are told apart. None: nowhere, and all that there is is deleted at once.'),
    retentionDays: z.number().int().min(1).max(30).default(7).describe('How long a sighting stays in its cluster.'),
    minimumQuality: z.number().min(0).max(1).default(0.5).describe('Of a probe; others are left apart.'),
    falsePositiveRate: z
      .number()
      .gt(0)
      .lt(1)
      .default(0.01)
      .describe('How often a newcomer may be taken for a stranger who was there before.'),
  })
  .strict()
  .meta({ id: 'PutStrangerClustering' });
export type PutStrangerClustering = z.output<typeof putStrangerClusteringSchema>;

export const strangerClusteringSchema = putStrangerClusteringSchema
  .extend({ changedAt: timestampSchema.nullable().describe('Null: it was never set, and is off.') })
  .meta({ id: 'StrangerClustering' });
export type StrangerClustering = z.output<typeof strangerClusteringSchema>;

export const strangerSchema = z
  .object({
    id: uuidSchema,
    sightings: z.number().int(),
    sites: z.array(slugSchema),
    firstSeenAt: timestampSchema,
    lastSeenAt: timestampSchema,
    expiresAt: timestampSchema.describe('When the last of the sightings leaves, unless more come.'),
  })
  .meta({ id: 'Stranger' });
export type Stranger = z.infer<typeof strangerSchema>;

export const strangerPageSchema = pageOf(strangerSchema, 'StrangerPage');
export type StrangerPage = z.infer<typeof strangerPageSchema>;

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const strangerQuerySchema = pageQuerySchema
  .extend({
    site: slugSchema.optional().describe('Only who was seen there.'),
    minimumSightings: z.coerce.number().int().min(1).max(1000).default(1),
  })
  .strict();
export type StrangerQuery = z.output<typeof strangerQuerySchema>;

export const strangerDetailSchema = strangerSchema
  .extend({ latest: z.array(sightingSchema).describe('Newest first, 100 at most.') })
  .meta({ id: 'StrangerDetail' });
export type StrangerDetail = z.infer<typeof strangerDetailSchema>;

export const enrolledStrangerSchema = z
  .object({
    personId: uuidSchema,
    sightings: z.number().int().describe('How many were reviewed to be of this person.'),
    faces: z.number().int().describe('How many of them were enrolled.'),
  })
  .meta({ id: 'EnrolledStranger' });
export type EnrolledStranger = z.infer<typeof enrolledStrangerSchema>;
