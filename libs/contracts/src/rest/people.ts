import { z } from 'zod';

import { labelSchema, pageOf, timestampSchema, uuidSchema } from './common.js';

export const createPersonSchema = z
  .object({
    name: labelSchema,
    externalId: labelSchema.optional().describe("The person's id in your own system; unique in the tenant."),
  })
  .strict()
  .meta({ id: 'CreatePerson' });
export type CreatePerson = z.infer<typeof createPersonSchema>;

export const personSchema = z
  .object({
    id: uuidSchema,
    name: z.string(),
    externalId: z.string().nullable(),
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
  })
  .meta({ id: 'EnrolledFace' });
export type EnrolledFace = z.infer<typeof enrolledFaceSchema>;
