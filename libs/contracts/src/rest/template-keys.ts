import { z } from 'zod';

import { slugSchema, timestampSchema } from './common.js';

const HOURS_OF_A_YEAR = 8760;
/** Days for which what a box has recorded offline can still be compared after a rotation. */
const DEFAULT_RETIRE_HOURS = 30 * 24;

export const rotateTemplateKeySchema = z
  .object({
    retireAfterHours: z
      .number()
      .int()
      .min(0)
      .max(HOURS_OF_A_YEAR)
      .default(DEFAULT_RETIRE_HOURS)
      .describe(
        'When the old key is destroyed. Until then sightings that boxes have recorded under it are still identified; afterwards they are refused. 0, because it was stolen: after ten minutes, as soon as no template is under it.',
      ),
  })
  .strict()
  .meta({ id: 'RotateTemplateKey' });
export type RotateTemplateKey = z.infer<typeof rotateTemplateKeySchema>;

export const templateKeySchema = z
  .object({
    epoch: z.number().int(),
    keyId: z.string(),
    state: z
      .enum(['current', 'superseded', 'retired'])
      .describe('current: everything new is under it. superseded: still understood. retired: destroyed.'),
    templates: z.number().int().describe('Enrolled templates that are under it: of an old one fewer and fewer.'),
    createdAt: timestampSchema,
    supersededAt: timestampSchema.nullable(),
    retireAt: timestampSchema.nullable().describe('When its secret will be destroyed, or has been due to be.'),
    retiredAt: timestampSchema.nullable(),
  })
  .meta({ id: 'TemplateKey' });
export type TemplateKey = z.infer<typeof templateKeySchema>;

export const templateKeysSchema = z
  .object({
    keys: z.array(templateKeySchema).describe('Newest first.'),
    devices: z
      .object({
        current: z.number().int().describe('Boxes that protect with the current key.'),
        others: z.number().int().describe('Boxes that use an older key, or have not said which.'),
        /** The first hundred, by id. */
        waiting: z
          .array(
            z.object({
              deviceId: slugSchema,
              keyId: z.string().nullable(),
              deliverable: z
                .boolean()
                .describe(
                  'Whether it has a certificate, to whose key the new one is sealed. If not: provision it anew.',
                ),
            }),
          )
          .describe('Boxes that do not use the current key yet, at most 100.'),
      })
      .describe('Boxes that are neither revoked nor deleted.'),
  })
  .meta({ id: 'TemplateKeys' });
export type TemplateKeys = z.infer<typeof templateKeysSchema>;
