import { z } from 'zod';

import { labelSchema, pageOf, slugSchema, timestampSchema, uuidSchema } from './common.js';

/** A set of names: each counts once, in one order. */
export const slugSetSchema = z
  .array(slugSchema)
  .max(100)
  .transform((slugs) => [...new Set(slugs)].sort());
const sitesSchema = slugSetSchema.describe('Sites whose boxes should know the person by themselves; none: every site.');
const groupsSchema = slugSetSchema.describe('By which the rules of boxes choose, such as `staff` or `watch-list`.');
const externalIdSchema = labelSchema.describe("The person's id in your own system; unique in the tenant.");

export const createPersonSchema = z
  .object({
    name: labelSchema,
    externalId: externalIdSchema.optional(),
    sites: sitesSchema.optional(),
    groups: groupsSchema.optional(),
  })
  .strict()
  .meta({ id: 'CreatePerson' });
/** As a client sends it. */
export type CreatePerson = z.input<typeof createPersonSchema>;

export const changePersonSchema = z
  .object({
    name: labelSchema.optional(),
    externalId: externalIdSchema.nullable().optional(),
    sites: sitesSchema.optional(),
    groups: groupsSchema.optional(),
  })
  .strict()
  .refine((changes) => Object.values(changes).some((value) => value !== undefined), 'at least one field')
  .meta({ id: 'ChangePerson' });
export type ChangePerson = z.input<typeof changePersonSchema>;

export const personSchema = z
  .object({
    id: uuidSchema,
    name: z.string(),
    externalId: z.string().nullable(),
    sites: z.array(z.string()),
    groups: z.array(z.string()),
    faces: z.number().int().describe('Enrolled templates.'),
    createdAt: timestampSchema,
  })
  .meta({ id: 'Person' });
export type Person = z.infer<typeof personSchema>;

export const personPageSchema = pageOf(personSchema, 'PersonPage');
export type PersonPage = z.infer<typeof personPageSchema>;

export const enrolledFaceSchema = z
  .object({
    id: uuidSchema,
    personId: uuidSchema,
    quality: z.number().min(0).max(1),
    modelSpace: z.string(),
    createdAt: timestampSchema,
    possibleDuplicates: z
      .array(z.object({ personId: uuidSchema, name: z.string(), score: z.number() }))
      .describe('Others who are as near as one and the same person; see `GET /v1/people/duplicates`.'),
  })
  .meta({ id: 'EnrolledFace' });
export type EnrolledFace = z.infer<typeof enrolledFaceSchema>;
