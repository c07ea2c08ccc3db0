import { z } from 'zod';

import { pageOf, timestampSchema, uuidSchema } from './common.js';
import { templateSchema } from './faces.js';

export const enrolTemplateSchema = z.object({ template: templateSchema }).strict().meta({ id: 'EnrolTemplate' });
export type EnrolTemplate = z.infer<typeof enrolTemplateSchema>;

export const enrolFromSightingSchema = z.object({ sightingId: uuidSchema }).strict().meta({ id: 'EnrolFromSighting' });
export type EnrolFromSighting = z.infer<typeof enrolFromSightingSchema>;

/** What becomes of a row whose external id somebody had before. */
const existingSchema = z
  .enum(['refuse', 'add'])
  .default('refuse')
  .describe('Of a row whose external id somebody has already: refuse it, or add its photo to that person.');
export const bulkEnrolmentQuerySchema = z.object({ existing: existingSchema });
export type BulkEnrolmentQuery = z.output<typeof bulkEnrolmentQuerySchema>;

export const bulkEnrolmentSchema = z
  .object({
    id: uuidSchema,
    state: z.enum(['waiting', 'running', 'done', 'cancelled', 'failed']),
    existing: z.enum(['refuse', 'add']),
    rows: z.number().int().describe('Rows of the table, its head not counted.'),
    enrolled: z.number().int(),
    refused: z.number().int(),
    failureCode: z.string().nullable().describe('Why it failed as a whole.'),
    createdAt: timestampSchema,
    startedAt: timestampSchema.nullable(),
    finishedAt: timestampSchema.nullable(),
  })
  .meta({ id: 'BulkEnrolment' });
export type BulkEnrolment = z.infer<typeof bulkEnrolmentSchema>;

export const bulkEnrolmentPageSchema = pageOf(bulkEnrolmentSchema, 'BulkEnrolmentPage');
export type BulkEnrolmentPage = z.infer<typeof bulkEnrolmentPageSchema>;

export const enrolmentRowSchema = z
  .object({
    row: z.number().int().describe('From 1, the head of the table not counted.'),
    outcome: z.enum(['enrolled', 'refused']),
    code: z.string().nullable().describe('Why it was refused.'),
    personId: uuidSchema.nullable(),
    faceId: uuidSchema.nullable(),
  })
  .meta({ id: 'EnrolmentRow' });
export type EnrolmentRow = z.infer<typeof enrolmentRowSchema>;

export const enrolmentRowsQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  after: z.coerce.number().int().min(0).default(0).describe('Rows after this one.'),
  outcome: z.enum(['enrolled', 'refused']).optional(),
});
export type EnrolmentRowsQuery = z.output<typeof enrolmentRowsQuerySchema>;

export const enrolmentRowPageSchema = z
  .object({
    items: z.array(enrolmentRowSchema).describe('Those that are done, by their number.'),
    nextAfter: z.number().int().nullable(),
  })
  .meta({ id: 'EnrolmentRowPage' });
export type EnrolmentRowPage = z.infer<typeof enrolmentRowPageSchema>;
