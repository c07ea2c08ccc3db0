import { z } from 'zod';

import { pageOf, pageQuerySchema, timestampSchema, uuidSchema } from './common.js';

const personRefSchema = z.object({ id: uuidSchema, name: z.string() });

export const duplicatesQuerySchema = pageQuerySchema.extend({
  dismissed: z.enum(['true', 'false']).default('false').describe('true: those that were dismissed.'),
});
export type DuplicatesQuery = z.output<typeof duplicatesQuerySchema>;

export const duplicatePairSchema = z
  .object({
    id: uuidSchema,
    people: z.array(personRefSchema).length(2),
    score: z.number().describe('Cosine of their nearest templates.'),
    threshold: z.number(),
    falseMatchRate: z.number().describe('Share of pairs of different people who come as near, at the threshold.'),
    foundAt: timestampSchema,
    dismissedAt: timestampSchema.nullable(),
  })
  .meta({ id: 'DuplicatePair' });
export type DuplicatePair = z.infer<typeof duplicatePairSchema>;

export const duplicatePairPageSchema = pageOf(duplicatePairSchema, 'DuplicatePairPage');
export type DuplicatePairPage = z.infer<typeof duplicatePairPageSchema>;

export const changeDuplicateSchema = z.object({ dismissed: z.boolean() }).strict().meta({ id: 'ChangeDuplicate' });
export type ChangeDuplicate = z.infer<typeof changeDuplicateSchema>;

export const duplicateSearchSchema = z
  .object({
    state: z.enum(['never', 'running', 'done']),
    templates: z.number().int().describe('Templates that were looked up so far.'),
    startedAt: timestampSchema.nullable(),
    finishedAt: timestampSchema.nullable(),
  })
  .meta({ id: 'DuplicateSearch' });
export type DuplicateSearch = z.infer<typeof duplicateSearchSchema>;

export const mergePeopleSchema = z
  .object({ from: uuidSchema.describe('Who turned out to be the same person, and goes.') })
  .strict()
  .meta({ id: 'MergePeople' });
export type MergePeople = z.infer<typeof mergePeopleSchema>;

export const mergeSchema = z
  .object({
    id: uuidSchema,
    into: uuidSchema,
    from: uuidSchema,
    templates: z.number().int().describe('Templates that moved.'),
    sightings: z.number().int().describe('Decisions about sightings that moved.'),
    mergedAt: timestampSchema,
    undoneAt: timestampSchema.nullable(),
  })
  .meta({ id: 'Merge' });
export type Merge = z.infer<typeof mergeSchema>;

export const mergePageSchema = pageOf(mergeSchema, 'MergePage');
export type MergePage = z.infer<typeof mergePageSchema>;
