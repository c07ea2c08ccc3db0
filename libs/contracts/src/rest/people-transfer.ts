import { z } from 'zod';

import { labelSchema, slugSchema, timestampSchema, uuidSchema } from './common.js';
import { templateSchema } from './faces.js';
import { createGroupSchema } from './people-groups.js';

/** Name and version of the format: its first line. */
export const PEOPLE_FORMAT = 'sightline-people/v1';
/** Templates of one person in a file. */
const TEMPLATES = 200;

const slugsSchema = z.array(slugSchema).max(100);
const transferTemplateSchema = templateSchema.extend({ id: uuidSchema, createdAt: timestampSchema });
export type TransferTemplate = z.output<typeof transferTemplateSchema>;

/** A line of an export: newline-delimited JSON, head first, then groups, then people. */
export const transferLineSchema = z
  .discriminatedUnion('kind', [
    z
      .object({
        kind: z.literal('head'),
        format: z.literal(PEOPLE_FORMAT),
        keyId: z.string().describe('The template key of the tenant at the time.'),
        modelSpace: z.string().describe('The model space in use at the time.'),
        exportedAt: timestampSchema,
      })
      .strict(),
    z
      .object({
        kind: z.literal('group'),
        group: createGroupSchema,
      })
      .strict(),
    z
      .object({
        kind: z.literal('person'),
        id: uuidSchema.describe('As exported: whoever has no external id is known again by it.'),
        name: labelSchema,
        externalId: labelSchema.nullable(),
        sites: slugsSchema,
        groups: slugsSchema,
        createdAt: timestampSchema,
        templates: z.array(transferTemplateSchema).max(TEMPLATES),
      })
      .strict(),
    z.object({ kind: z.literal('end'), people: z.number().int() }).strict(),
  ])
  .meta({ id: 'TransferLine' });
export type TransferLine = z.output<typeof transferLineSchema>;

export const importResultSchema = z
  .object({
    added: z.number().int().describe('People who were new.'),
    completed: z.number().int().describe('People who were there, and got templates that they did not have.'),
    unchanged: z.number().int(),
    templates: z.number().int().describe('Templates that were added.'),
    refused: z.number().int().describe('Lines, and templates of lines that were taken otherwise.'),
    refusals: z
      .array(z.object({ line: z.number().int(), code: z.string() }))
      .describe('The first hundred of them: the line, and why.'),
  })
  .meta({ id: 'ImportResult' });
export type ImportResult = z.infer<typeof importResultSchema>;
