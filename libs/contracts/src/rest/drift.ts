import { z } from 'zod';

import { pageOf, pageQuerySchema, slugSchema, timestampSchema, uuidSchema } from './common.js';

/** What of sightings is watched. */
export const driftMeasures = ['identified-score', 'other-score', 'quality'] as const;

const policyFields = {
  baselineSightings: z
    .number()
    .int()
    .min(300)
    .max(100_000)
    .default(1000)
    .describe('How many sightings of a camera by a release and variant make its baseline: the first ones.'),
  windowHours: z
    .number()
    .int()
    .min(24)
    .max(2160)
    .default(168)
    .describe('How far back a comparison looks. Whole weeks hold every day of the week equally often.'),
  minimumSightings: z
    .number()
    .int()
    .min(100)
    .max(100_000)
    .default(300)
    .describe('With fewer in the window nothing is said of a camera.'),
  alertIndex: z
    .number()
    .gt(0)
    .max(10)
    .default(0.25)
    .describe('The population stability index from which on a change is large.'),
  clearIndex: z.number().gt(0).max(10).default(0.1).describe('Below it nothing has changed, and an episode ends.'),
  significance: z
    .number()
    .gt(0)
    .max(0.1)
    .default(0.001)
    .describe('The p-value of the Kolmogorov–Smirnov test below which a difference is no chance.'),
};

/**
 * By default a week is compared, so that every day of it counts once. 300 sightings in it and 1,000 in the baseline are what
 * it takes for fewer than one false alarm in a hundred quiet weeks: docs/drift.md.
 */
export const putDriftPolicySchema = z
  .object(policyFields)
  .strict()
  .refine(({ alertIndex, clearIndex }) => clearIndex <= alertIndex, 'clearIndex is at most alertIndex')
  .meta({ id: 'PutDriftPolicy' });
export type CheckedDriftPolicy = z.output<typeof putDriftPolicySchema>;

export const driftPolicySchema = z
  .object({ ...policyFields, changedAt: timestampSchema.nullable().describe('Null: all by default.') })
  .meta({ id: 'DriftPolicy' });
export type DriftPolicy = z.infer<typeof driftPolicySchema>;

export const driftMeasureSchema = z
  .object({
    measure: z
      .enum(driftMeasures)
      .describe(
        'The cosine to the nearest person, of sightings that were identified and of the others; or the quality.',
      ),
    verdict: z
      .enum(['too-few', 'stable', 'unclear', 'drifted'])
      .describe('unclear: an episode that is open stays open, and none begins.'),
    baselineSamples: z.number().int(),
    samples: z.number().int(),
    index: z.number().nullable().describe('Population stability index, from 0. Null: too few samples.'),
    alertIndex: z
      .number()
      .nullable()
      .describe('What it has to reach: the policy’s, or what chance alone makes of so few samples.'),
    statistic: z.number().nullable().describe('Of Kolmogorov and Smirnov, 0 to 1.'),
    pValue: z.number().nullable(),
  })
  .meta({ id: 'DriftMeasure' });
export type DriftMeasure = z.infer<typeof driftMeasureSchema>;

const baselineOriginSchema = z
  .enum(['first-sightings', 'accepted', 'collected-anew'])
  .describe('accepted: a window that somebody took for normal.');
export type DriftBaselineOrigin = z.infer<typeof baselineOriginSchema>;

const reportFields = {
  comparedAt: timestampSchema,
  windowFrom: timestampSchema,
  windowUntil: timestampSchema,
  measures: z.array(driftMeasureSchema),
};

export const driftWatchSchema = z
  .object({
    id: uuidSchema,
    deviceId: slugSchema,
    cameraId: z.string(),
    siteId: slugSchema,
    releaseDigest: z.string(),
    variantDigest: z.string().describe('The embedder that made the templates.'),
    state: z
      .enum(['collecting', 'watching', 'drifting'])
      .describe('collecting: the baseline is not complete yet, and nothing is compared.'),
    driftingSince: timestampSchema.nullable(),
    baseline: z.object({
      origin: baselineOriginSchema,
      from: timestampSchema,
      until: timestampSchema.nullable().describe('Null: it is still being collected.'),
      sightings: z.number().int(),
    }),
    last: z.object(reportFields).nullable().describe('The last comparison.'),
  })
  .meta({ id: 'DriftWatch' });
export type DriftWatch = z.infer<typeof driftWatchSchema>;

export const driftQuerySchema = pageQuerySchema
  .extend({ drifting: z.enum(['true', 'false']).optional(), siteId: slugSchema.optional() })
  .strict();
export type DriftQuery = z.infer<typeof driftQuerySchema>;

export const driftPageSchema = pageOf(driftWatchSchema, 'DriftPage');
export type DriftPage = z.infer<typeof driftPageSchema>;

export const driftReportSchema = z
  .object({ id: uuidSchema, watchId: uuidSchema, drifting: z.boolean().describe('After it.'), ...reportFields })
  .meta({ id: 'DriftReport' });
export type DriftReport = z.infer<typeof driftReportSchema>;

export const deviceDriftSchema = z
  .object({
    watches: z.array(driftWatchSchema).describe('What is watched of the device’s cameras, the newest 500.'),
    items: z.array(driftReportSchema).describe('Comparisons, newest first.'),
    nextCursor: z.string().nullable(),
  })
  .meta({ id: 'DeviceDrift' });
export type DeviceDrift = z.infer<typeof deviceDriftSchema>;

export const setDriftBaselineSchema = z
  .object({
    deviceId: slugSchema,
    cameraId: z
      .string()
      .min(1)
      .max(100)
      .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), 'no control characters and no unpaired surrogates'),
    from: z
      .enum(['present', 'now-on'])
      .describe('present: the last window is the baseline from now on. now-on: a new one is collected.'),
  })
  .strict()
  .meta({ id: 'SetDriftBaseline' });
export type SetDriftBaseline = z.infer<typeof setDriftBaselineSchema>;

export const driftBaselinesSchema = z
  .object({ watches: z.array(driftWatchSchema).describe('Those whose baseline was set.') })
  .meta({ id: 'DriftBaselines' });
export type DriftBaselines = z.infer<typeof driftBaselinesSchema>;
