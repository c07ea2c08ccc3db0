import { z } from 'zod';

/** What is kept for a time, and then deleted by itself. */
export const retentionKinds = [
  'sightings',
  'identifications',
  'quarantine',
  'device-health',
  'images',
  'drift-reports',
  'alerts',
] as const;
export const retentionKindSchema = z.enum(retentionKinds);
export type RetentionKind = z.infer<typeof retentionKindSchema>;

const daysSchema = z.number().int().min(1).max(36_500).nullable().describe('Null: for ever.');

export const changeRetentionSchema = z
  .object({
    sightings: daysSchema.optional().describe('From the first sight on; with the decisions about them.'),
    identifications: daysSchema
      .optional()
      .describe('Who it was. The sighting stays, and is counted, without a person.'),
    quarantine: daysSchema.optional().describe('What boxes sent and nobody could read.'),
    'device-health': daysSchema.optional().describe('What boxes counted, window by window.'),
    alerts: daysSchema.optional().describe('With the log of their deliveries.'),
    images: daysSchema.optional().describe('Sealed images, from when their sighting came.'),
    'drift-reports': daysSchema.optional().describe('Comparisons of what cameras see with how it was.'),
  })
  .strict()
  .meta({ id: 'ChangeRetention' });
export type ChangeRetention = z.infer<typeof changeRetentionSchema>;

export const retentionSchema = z
  .object({
    kinds: z.array(
      z.object({
        kind: retentionKindSchema,
        days: daysSchema,
        isDefault: z.boolean().describe('Whether the tenant has not said anything of it.'),
      }),
    ),
  })
  .meta({ id: 'Retention' });
export type Retention = z.infer<typeof retentionSchema>;

export const retentionPreviewSchema = z
  .object({
    kinds: z.array(
      z.object({
        kind: retentionKindSchema,
        days: daysSchema,
        rows: z.number().int().describe('What the next job would delete, or make forget whom it was about.'),
      }),
    ),
  })
  .meta({ id: 'RetentionPreview' });
export type RetentionPreview = z.infer<typeof retentionPreviewSchema>;
