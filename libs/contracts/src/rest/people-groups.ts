import { z } from 'zod';

import { labelSchema, pageOf, slugSchema, timestampSchema } from './common.js';

const kindSchema = z
  .enum(['group', 'watch-list'])
  .describe('watch-list: whoever is in it is looked out for, and an alert may say so.');
const descriptionSchema = z
  .string()
  .trim()
  .max(2000)
  .refine((text) => !/[\p{Cs}\0]/u.test(text), 'no U+0000 and no unpaired surrogates');

export const createGroupSchema = z
  .object({
    id: slugSchema.describe('What people and the rules of boxes call it; it never changes.'),
    name: labelSchema,
    kind: kindSchema.default('group'),
    description: descriptionSchema.default(''),
  })
  .strict()
  .meta({ id: 'CreateGroup' });
export type CreateGroup = z.output<typeof createGroupSchema>;

export const changeGroupSchema = z
  .object({ name: labelSchema.optional(), kind: kindSchema.optional(), description: descriptionSchema.optional() })
  .strict()
  .refine((changes) => Object.values(changes).some((value) => value !== undefined), 'at least one field')
  .meta({ id: 'ChangeGroup' });
export type ChangeGroup = z.output<typeof changeGroupSchema>;

export const groupSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    kind: kindSchema,
    description: z.string(),
    people: z.number().int(),
    createdAt: timestampSchema,
  })
  .meta({ id: 'Group' });
export type Group = z.infer<typeof groupSchema>;

export const groupPageSchema = pageOf(groupSchema, 'GroupPage');
export type GroupPage = z.infer<typeof groupPageSchema>;

export const removeGroupQuerySchema = z.object({
  cascade: z
    .enum(['true', 'false'])
    .default('false')
    .describe('true: people leave the group first. Otherwise a group that has people is kept.'),
});
export type RemoveGroupQuery = z.output<typeof removeGroupQuerySchema>;
