import { z } from 'zod';

import { pageOf, slugSchema, timestampSchema, uuidSchema } from './common.js';

export const requestErasureSchema = z.object({ personId: uuidSchema }).strict().meta({ id: 'RequestErasure' });
export type RequestErasure = z.infer<typeof requestErasureSchema>;

const confirmedAtSchema = timestampSchema.nullable().describe('Null: it is outstanding.');

/** What the signature is over: all of the proof but the signature itself. */
export const erasureStatementSchema = z.object({
  format: z.literal('sightline-erasure-1'),
  erasureId: uuidSchema.describe('Random: it names nobody.'),
  requestedAt: timestampSchema,
  complete: z.boolean(),
  completedAt: timestampSchema.nullable(),
  includes: z.array(uuidSchema).describe('Erasures of people who had been merged into this one.'),
  stores: z.array(
    z.object({
      store: z.enum(['database', 'key-store']),
      id: z.string(),
      what: z.string(),
      confirmedAt: confirmedAtSchema,
    }),
  ),
  galleries: z
    .array(
      z.object({
        id: z.string(),
        kind: z.string(),
        outcome: z.enum(['passed', 'gone']).nullable(),
        confirmedAt: confirmedAtSchema,
      }),
    )
    .describe('Searchable indexes. passed: it has removed the templates; gone: it ended, and its memory with it.'),
  devices: z
    .array(
      z.object({
        deviceId: slugSchema,
        sentAt: timestampSchema.nullable(),
        confirmedAt: confirmedAtSchema,
        leaseExpiresAt: timestampSchema
          .nullable()
          .describe('From then on a box that is away matches by its cache no more.'),
      }),
    )
    .describe('Boxes that held, or may have held, the person.'),
});
export type ErasureStatement = z.infer<typeof erasureStatementSchema>;

export const erasureProofSchema = erasureStatementSchema
  .extend({
    signature: z
      .object({
        algorithm: z.literal('Ed25519'),
        keyId: z.string(),
        publicKey: z.base64().describe('SubjectPublicKeyInfo, DER.'),
        value: z
          .base64()
          .describe(
            'Over the other members as JSON without white space, members of every object in the order of names.',
          ),
      })
      .describe('By the key that boxes check galleries with.'),
  })
  .meta({ id: 'ErasureProof' });
export type ErasureProof = z.infer<typeof erasureProofSchema>;

export const erasureSummarySchema = z
  .object({
    id: uuidSchema,
    requestedAt: timestampSchema,
    complete: z.boolean(),
    completedAt: timestampSchema.nullable(),
    outstandingDevices: z.number().int(),
  })
  .meta({ id: 'ErasureSummary' });
export type ErasureSummary = z.infer<typeof erasureSummarySchema>;

export const erasurePageSchema = pageOf(erasureSummarySchema, 'ErasurePage');
export type ErasurePage = z.infer<typeof erasurePageSchema>;
