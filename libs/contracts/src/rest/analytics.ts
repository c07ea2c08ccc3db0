import { z } from 'zod';

import { localDaySchema, pageOf, pageQuerySchema, slugSchema, timestampSchema, timeZoneSchema } from './common.js';

const DAY_MS = 86_400_000;
const MOST_DAYS = 400;
const MOST_DAYS_BY_HOUR = 31;

const digestSchema = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits');
const cameraIdSchema = z
  .string()
  .min(1)
  .max(100)
  .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), 'no control characters and no unpaired surrogates');

const rangeFields = {
  from: localDaySchema.describe('The first day.'),
  to: localDaySchema.describe(`The last day; at most ${MOST_DAYS} days, ${MOST_DAYS_BY_HOUR} by hour.`),
  timeZone: timeZoneSchema,
};
const seriesFields = {
  siteId: slugSchema.optional(),
  deviceId: slugSchema.optional(),
  cameraId: cameraIdSchema.optional(),
  releaseDigest: digestSchema.optional(),
  variantDigest: digestSchema.optional().describe('Of the embedder variant that made the probes.'),
};
const perSchema = z.enum(['hour', 'day', 'range']).default('day').describe('What a row is of: range is all of it.');
const bySchema = z
  .enum(['none', 'site', 'device', 'camera', 'release', 'variant'])
  .default('none')
  .describe('What is counted apart.');
const cursorField = {
  cursor: z.string().max(1200).optional().describe('`nextCursor` of the page before.'),
};

/** Days of a range, both ends included. */
const daysOf = ({ from, to }: { readonly from: string; readonly to: string }): number =>
  (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;

function limited<Query extends z.ZodType<{ from: string; to: string; per?: string | undefined }>>(query: Query): Query {
  return query
    .refine((range) => daysOf(range) >= 1, { path: ['to'], message: 'a day that is not before `from`' })
    .refine((range) => daysOf(range) <= MOST_DAYS, { path: ['to'], message: `at most ${MOST_DAYS} days` })
    .refine((range) => range.per !== 'hour' || daysOf(range) <= MOST_DAYS_BY_HOUR, {
      path: ['to'],
      message: `at most ${MOST_DAYS_BY_HOUR} days by hour`,
    });
}

// Without names of their own: OpenAPI lists a query's fields one by one.
export const analyticsSummaryQuerySchema = limited(z.object({ ...rangeFields, ...seriesFields }).strict());
export type AnalyticsSummaryQuery = z.output<typeof analyticsSummaryQuerySchema>;

const trafficFields = { ...rangeFields, ...seriesFields, per: perSchema, by: bySchema };
export const trafficTableQuerySchema = limited(z.object(trafficFields).strict());
export type TrafficTableQuery = z.output<typeof trafficTableQuerySchema>;
export const trafficQuerySchema = limited(pageQuerySchema.extend({ ...trafficFields, ...cursorField }).strict());
export type TrafficQuery = z.output<typeof trafficQuerySchema>;

export const uniquePeopleQuerySchema = limited(z.object({ ...rangeFields, siteId: slugSchema.optional() }).strict());
export type UniquePeopleQuery = z.output<typeof uniquePeopleQuerySchema>;

export const occupancyQuerySchema = limited(
  z.object({ ...rangeFields, siteId: slugSchema, per: z.enum(['hour', 'day']).default('hour') }).strict(),
);
export type OccupancyQuery = z.output<typeof occupancyQuerySchema>;

const distributionsFields = { ...rangeFields, ...seriesFields, by: bySchema };
export const distributionsTableQuerySchema = limited(z.object(distributionsFields).strict());
export type DistributionsTableQuery = z.output<typeof distributionsTableQuerySchema>;
export const distributionsQuerySchema = limited(
  pageQuerySchema.extend({ ...distributionsFields, ...cursorField }).strict(),
);
export type DistributionsQuery = z.output<typeof distributionsQuerySchema>;

const freshness = {
  rolledUpTo: timestampSchema.describe('Everything that was stored by then is counted.'),
};
const countsFields = {
  sightings: z.number().int(),
  identified: z.number().int(),
  ambiguous: z.number().int(),
  unknown: z.number().int(),
  refused: z.number().int().describe('Not compared: too poor, an attack, or of another model space or key.'),
  unknownRate: z
    .number()
    .nullable()
    .describe('Unknown of those that were compared (identified, ambiguous or unknown); null where none was.'),
  dwellSeconds: z.number().describe('From first to last sight, added up over the sightings.'),
};
const seriesKeyFields = {
  siteId: z.string().nullable(),
  deviceId: z.string().nullable(),
  cameraId: z.string().nullable(),
  releaseDigest: z.string().nullable(),
  variantDigest: z.string().nullable().describe('Null also where the boxes sent no probe.'),
};
const bucketFields = {
  start: timestampSchema,
  localStart: z.string().describe('The same by the clock of the time zone, with its offset from UTC.'),
};

export const analyticsSummarySchema = z
  .object({
    ...freshness,
    ...countsFields,
    dwell: z
      .object({ meanSeconds: z.number(), medianSeconds: z.number(), p90Seconds: z.number() })
      .nullable()
      .describe('Of a sighting. Median and 90th percentile are estimated from the histogram.'),
    medianQuality: z.number().nullable().describe('Of the best shots, estimated from the histogram.'),
  })
  .meta({ id: 'AnalyticsSummary' });
export type AnalyticsSummary = z.infer<typeof analyticsSummarySchema>;

export const trafficRowSchema = z
  .object({ ...bucketFields, ...seriesKeyFields, ...countsFields })
  .meta({ id: 'TrafficRow', description: 'What nobody was seen in has no row.' });
export type TrafficRow = z.infer<typeof trafficRowSchema>;

export const trafficPageSchema = pageOf(trafficRowSchema, 'TrafficRows').extend(freshness).meta({ id: 'TrafficPage' });
export type TrafficPage = z.infer<typeof trafficPageSchema>;

export const uniquePeopleSchema = z
  .object({
    ...freshness,
    people: z.number().int().describe('Different people who were identified: exact. Unknown sightings are no people.'),
    sites: z.array(z.object({ siteId: z.string(), people: z.number().int() })),
  })
  .meta({ id: 'UniquePeople' });
export type UniquePeople = z.infer<typeof uniquePeopleSchema>;

export const occupancyRowSchema = z
  .object({
    ...bucketFields,
    people: z.number().int().describe('Different people who were identified.'),
    sightings: z.number().int(),
    unknown: z.number().int().describe('Sightings of nobody who is known: no head-count.'),
    minutesInView: z.number().describe('Of all sightings together.'),
  })
  .meta({ id: 'OccupancyRow' });
export type OccupancyRow = z.infer<typeof occupancyRowSchema>;

export const occupancySchema = z.object({ ...freshness, items: z.array(occupancyRowSchema) }).meta({ id: 'Occupancy' });
export type Occupancy = z.infer<typeof occupancySchema>;

const histogramSchema = z.array(z.number().int()).describe('One count for each bin.');
export const distributionSchema = z
  .object({
    ...seriesKeyFields,
    ...countsFields,
    identifiedScores: histogramSchema,
    otherScores: histogramSchema,
    qualities: histogramSchema,
    dwells: histogramSchema,
  })
  .meta({ id: 'Distribution' });
export type Distribution = z.infer<typeof distributionSchema>;

const edgesSchema = z.array(z.number()).describe('Where each bin ends and the next begins; the outer two are open.');
export const distributionsPageSchema = pageOf(distributionSchema, 'DistributionRows')
  .extend({ ...freshness, bins: z.object({ scores: edgesSchema, qualities: edgesSchema, dwells: edgesSchema }) })
  .meta({ id: 'DistributionsPage' });
export type DistributionsPage = z.infer<typeof distributionsPageSchema>;

/** A line of the table: one bin. */
export const distributionLineSchema = z
  .object({
    ...seriesKeyFields,
    measure: z.enum(['identifiedScores', 'otherScores', 'qualities', 'dwells']),
    from: z.number().nullable().describe('Null: the first bin, which is open.'),
    to: z.number().nullable().describe('Null: the last bin, which is open.'),
    count: z.number().int(),
  })
  .meta({ id: 'DistributionLine' });
export type DistributionLine = z.infer<typeof distributionLineSchema>;

export const analyticsRebuildSchema = z
  .object({ hours: z.number().int().describe('Hours that are counted anew.') })
  .meta({ id: 'AnalyticsRebuild' });
export type AnalyticsRebuild = z.infer<typeof analyticsRebuildSchema>;
