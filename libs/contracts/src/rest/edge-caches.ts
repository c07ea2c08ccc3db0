import { z } from 'zod';

import { pageOf, slugSchema, timestampSchema, uuidSchema } from './common.js';

export const edgeCacheSchema = z
  .object({
    deviceId: slugSchema,
    siteId: slugSchema,
    online: z.boolean(),
    cacheId: uuidSchema.describe('Another id: the cache has begun anew.'),
    modelSpace: z.string(),
    keyId: z.string(),
    maximumTemplates: z.number().int().describe('What the box can take; 0: it keeps no cache any more.'),
    people: z.number().int().describe('Who should be in it.'),
    templates: z.number().int(),
    unsent: z.number().int().describe('Changes that were not sent yet.'),
    sentVersion: z.number().int(),
    confirmedVersion: z.number().int().describe('What the box holds durably, by its receipts.'),
    lease: z
      .object({ issuedAt: timestampSchema, expiresAt: timestampSchema })
      .nullable()
      .describe('Until when the box may match by its cache, as it was told.'),
    pendingErasures: z
      .array(
        z.object({
          erasureId: uuidSchema,
          personId: uuidSchema,
          erasedAt: timestampSchema,
          sentAt: timestampSchema.nullable(),
        }),
      )
      .describe('Erased people whom the box may still hold: its receipt is outstanding.'),
    lastReceiptAt: timestampSchema.nullable(),
    error: z
      .object({ code: z.string(), at: timestampSchema })
      .nullable()
      .describe('Why the box did not take the last delta.'),
    localDiffered: z.number().int().describe('Decisions of the last 7 days in which box and cloud differed.'),
  })
  .meta({ id: 'EdgeCache' });
export type EdgeCache = z.infer<typeof edgeCacheSchema>;

export const edgeCachePageSchema = pageOf(edgeCacheSchema, 'EdgeCachePage');
export type EdgeCachePage = z.infer<typeof edgeCachePageSchema>;

export const erasureSchema = z
  .object({
    id: uuidSchema,
    personId: uuidSchema,
    erasedAt: timestampSchema,
    devices: z
      .array(
        z.object({
          deviceId: slugSchema,
          sentAt: timestampSchema.nullable(),
          confirmedAt: timestampSchema.nullable().describe("When the box's receipt came; null: it is outstanding."),
          leaseExpiresAt: timestampSchema
            .nullable()
            .describe('From then on a box that is away matches by its cache no more.'),
        }),
      )
      .describe('Boxes that held, or may have held, the person.'),
    outstanding: z.number().int().describe('Boxes whose receipt is outstanding.'),
  })
  .meta({ id: 'Erasure' });
export type Erasure = z.infer<typeof erasureSchema>;
