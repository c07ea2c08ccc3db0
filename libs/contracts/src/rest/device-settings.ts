import { z } from 'zod';

import { slugSchema, timestampSchema } from './common.js';

const milliseconds = (minimum: number) => z.number().int().min(minimum).max(600_000);

/**
 * Bounds of what becomes of a track: those of the box's own configuration and of what the cloud may desire. All times
 * are ms.
 */
export const sightingSettingBounds = {
  minimumQuality: z.number().min(0).max(1),
  bestShots: z.number().int().min(1).max(8),
  confirmAfterFrames: z.number().int().min(1).max(100),
  closeAfterMs: milliseconds(100),
  shotSpacingMs: z.number().min(0).max(60_000),
  openAfterShots: z.number().int().min(1).max(1000),
  openAfterMs: z.number().min(0).max(600_000),
  updateGain: z.number().min(0).max(1),
  updateIntervalMs: z.number().min(0).max(600_000),
};

/** Bounds of how records travel: as {@link sightingSettingBounds}. */
export const deliverySettingBounds = {
  maximumWindow: z.number().int().min(1).max(64),
  maximumBatchRecords: z.number().int().min(1).max(1000),
  maximumBatchBytes: z
    .number()
    .int()
    .min(1024)
    .max(900 * 1024),
  acknowledgementTimeoutMs: milliseconds(100),
};

/** On the wire these are whole numbers. */
const desiredSighting = {
  ...sightingSettingBounds,
  shotSpacingMs: sightingSettingBounds.shotSpacingMs.int(),
  openAfterMs: sightingSettingBounds.openAfterMs.int(),
  updateIntervalMs: sightingSettingBounds.updateIntervalMs.int(),
};

/**
 * What the cloud may desire of a box. Anything else is refused, so that nothing secret can be put here, where brokers
 * keep it: a box learns secrets when it is provisioned, and from nowhere else.
 */
export const deviceSettingsSchema = z
  .object({
    sighting: z.object(desiredSighting).partial().strict().optional(),
    delivery: z.object(deliverySettingBounds).partial().strict().optional(),
  })
  .strict()
  .describe('What is left out is as the box itself has it.')
  .meta({ id: 'DeviceSettings' });
export type DeviceSettings = z.infer<typeof deviceSettingsSchema>;

export const putDesiredConfigSchema = z
  .object({
    siteId: slugSchema.optional().describe('Default: where the box is.'),
    settings: deviceSettingsSchema,
    basedOnVersion: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe('The version that the change was made from; another one in force answers 409.'),
  })
  .strict()
  .meta({ id: 'PutDesiredConfig' });
export type PutDesiredConfig = z.infer<typeof putDesiredConfigSchema>;

const settingErrorSchema = z.object({
  path: z.string().describe('sighting.bestShots'),
  message: z.string(),
});
/** What a box found wrong with one field of what was desired of it. */
export type SettingError = z.infer<typeof settingErrorSchema>;

/** What is desired of a box beside what it says of that. */
export const desiredConfigSchema = z
  .object({
    version: z.number().int(),
    siteId: slugSchema,
    settings: deviceSettingsSchema,
    changedAt: timestampSchema.nullable().describe('Null while nobody has changed anything.'),
    reported: z
      .object({
        version: z.number().int().describe('Of the newest document that the box has seen.'),
        status: z.enum(['pending', 'applied', 'failed']),
        error: z.string().nullable(),
        errors: z.array(settingErrorSchema).describe('What the box found wrong, by field.'),
      })
      .nullable()
      .describe('Null before the box has said anything.'),
  })
  .meta({ id: 'DesiredConfig' });
export type DesiredConfig = z.infer<typeof desiredConfigSchema>;
