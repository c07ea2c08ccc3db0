import { z } from 'zod';

import { pageOf, pageQuerySchema, slugSchema, timestampSchema, uuidSchema } from './common.js';
import { outcomeSchema } from './identification.js';

const share = z.number().gt(0).lt(1);

const retrainingFields = {
  sites: z.array(slugSchema).max(1000).default([]).describe('Where the loop is on; by default nowhere.'),
  falseNonMatchRate: share
    .default(0.05)
    .describe(
      'How many sightings of enrolled people may be missed at the threshold that the false-match target asks for.',
    ),
  margin: z
    .number()
    .min(0)
    .max(0.5)
    .default(0.02)
    .describe('By how much that is missed, with 95 % confidence, before a candidate release is asked for.'),
};

/** Replaces all of it. */
export const putRetrainingSchema = z.object(retrainingFields).strict().meta({ id: 'PutRetraining' });
export type CheckedRetraining = z.output<typeof putRetrainingSchema>;

export const retrainingSchema = z
  .object({ ...retrainingFields, changedAt: timestampSchema.nullable().describe('Null: all by default.') })
  .meta({ id: 'Retraining' });
export type Retraining = z.infer<typeof retrainingSchema>;

export const createLabelledSetSchema = z
  .object({
    sites: z.array(slugSchema).min(1).max(100),
    from: timestampSchema.describe('Of the first sight of a sighting.'),
    until: timestampSchema,
    purpose: slugSchema.describe('What the set is for. Sets of one purpose are counted.'),
    keepDays: z
      .number()
      .int()
      .min(1)
      .max(365)
      .default(90)
      .describe('When the set is deleted, and with it the probes that were kept for it alone.'),
  })
  .strict()
  .refine(({ from, until }) => from < until, 'from lies before until')
  .meta({ id: 'CreateLabelledSet' });
export type CreateLabelledSet = z.output<typeof createLabelledSetSchema>;

const countSchema = z.number().int();

export const labelledSetSchema = z
  .object({
    id: uuidSchema,
    version: countSchema.describe('Of the sets of this purpose.'),
    purpose: slugSchema,
    sites: z.array(slugSchema),
    from: timestampSchema,
    until: timestampSchema,
    createdAt: timestampSchema,
    createdBy: z.string(),
    expiresAt: timestampSchema,
    approvedAt: timestampSchema.nullable().describe('Null: it may be evaluated, and not be exported.'),
    approvedBy: z.string().nullable(),
    members: z.object({
      atFirst: countSchema,
      now: countSchema,
      erased: countSchema.describe('Left because the person was erased.'),
      expired: countSchema.describe('Left because their sighting, or its decision, was deleted.'),
      isPerson: countSchema.describe('Of which it is said who they show.'),
      notPerson: countSchema.describe('Of which it is said who they do not show.'),
      withProbe: countSchema.describe('Whose probe is still kept: the others cannot be evaluated.'),
      people: countSchema,
    }),
  })
  .meta({ id: 'LabelledSet' });
export type LabelledSet = z.infer<typeof labelledSetSchema>;

export const labelledSetPageSchema = pageOf(labelledSetSchema, 'LabelledSetPage');
export type LabelledSetPage = z.infer<typeof labelledSetPageSchema>;

/** Ids and labels: no names, no templates, no images. */
export const labelledMemberSchema = z
  .object({
    sightingId: uuidSchema,
    revision: countSchema,
    siteId: slugSchema,
    deviceId: slugSchema,
    cameraId: z.string(),
    firstSeenAt: timestampSchema,
    quality: z.number(),
    outcome: outcomeSchema.describe('What was decided.'),
    label: z.enum(['is-person', 'not-person']),
    personId: uuidSchema.describe('Who it is, or is not; of people who were merged, the one who stays.'),
    hasProbe: z.boolean(),
  })
  .meta({ id: 'LabelledMember' });
export type LabelledMember = z.infer<typeof labelledMemberSchema>;

export const createSiteEvaluationSchema = z
  .object({ labelledSetId: uuidSchema, siteId: slugSchema })
  .strict()
  .meta({ id: 'CreateSiteEvaluation' });
export type CreateSiteEvaluation = z.infer<typeof createSiteEvaluationSchema>;

const estimatedRateSchema = z
  .object({
    rate: z.number(),
    low: z.number().describe('Below it with 5 % confidence.'),
    high: z.number().describe('Above it with 5 % confidence; without any error about 3 / effectiveTrials.'),
    events: countSchema,
    trials: countSchema,
    effectiveTrials: z.number().describe('Independent trials that they are worth: pairs of people, or people.'),
  })
  .meta({ id: 'EstimatedRate' });

const sitePointSchema = z
  .object({
    threshold: z.number(),
    falseMatch: estimatedRateSchema.describe('FMR: of labelled probes with the templates of others.'),
    falseNonMatch: estimatedRateSchema.describe(
      'FNMR: of labelled probes with their own person. At least: sightings of which nobody said whose they are may be misses, too.',
    ),
    expectedFalsePositiveRate: z
      .number()
      .describe('FPIR: of a search of so many templates at this FMR, as if its comparisons were independent.'),
  })
  .meta({ id: 'SitePoint' });
export type SitePointView = z.infer<typeof sitePointSchema>;

const missingSchema = z
  .object({
    people: countSchema.describe('Labelled people who are missing to 30.'),
    pairs: countSchema.describe(
      'Pairs of people that are missing to 3 / rate: with fewer, not even a threshold without any false match shows the rate.',
    ),
    morePeople: countSchema.describe('So many more labelled people make as many pairs with the gallery as it is.'),
  })
  .meta({ id: 'MissingEvidence' });
export type MissingEvidence = z.infer<typeof missingSchema>;

export const evaluationFiguresSchema = z
  .object({
    release: z.object({ version: z.string(), digest: z.string(), modelSpace: z.string(), variantDigest: z.string() }),
    labels: z.object({
      probes: countSchema,
      people: countSchema,
      identified: countSchema.describe('Of sightings that were identified; these stand for all of the site’s.'),
      others: countSchema.describe('Of sightings that named nobody, or two people; each stands for itself.'),
      enrolledThemselves: countSchema.describe('Probes that are their person’s only template: left out.'),
      unusable: countSchema.describe('Without a probe, or not comparable with the active release.'),
      pairs: countSchema,
      comparisons: countSchema,
      templates: countSchema,
      wholeGallery: z.boolean().describe('Whether every template was compared with, or a sample of people.'),
    }),
    target: z.object({
      falseMatchRate: z.number().describe('Of one comparison, corrected for the size of the gallery.'),
      falsePositiveRate: z.number().nullable(),
      templatesSearched: countSchema,
      falseNonMatchRate: z.number(),
    }),
    active: sitePointSchema.extend({ calibrationOffset: z.number() }).describe('As decisions are made now.'),
    calibrated: sitePointSchema
      .nullable()
      .describe(
        'The lowest threshold that keeps the target with 95 % confidence here. Null: the labels do not say so of any.',
      ),
    trueAcceptRates: z
      .array(z.object({ falseMatchRate: z.number(), point: sitePointSchema.nullable() }))
      .describe('At the rates that the release is calibrated for; null where the labels do not carry it.'),
    missing: missingSchema.nullable(),
  })
  .meta({ id: 'EvaluationFigures' });
export type EvaluationFigures = z.infer<typeof evaluationFiguresSchema>;

export const proposalKindSchema = z.enum(['recalibration', 'candidate-release', 'insufficient-evidence']);
export type ProposalKind = z.infer<typeof proposalKindSchema>;
export const proposalStateSchema = z.enum(['open', 'accepted', 'reverted', 'dismissed', 'superseded']);
export type ProposalState = z.infer<typeof proposalStateSchema>;

export const siteEvaluationSchema = z
  .object({
    id: uuidSchema,
    labelledSetId: uuidSchema,
    siteId: slugSchema,
    cause: z.enum(['request', 'drift']),
    state: z.enum(['waiting', 'done', 'failed']),
    failureCode: z.string().nullable(),
    createdAt: timestampSchema,
    finishedAt: timestampSchema.nullable(),
    figures: evaluationFiguresSchema.nullable(),
    proposalIds: z.array(uuidSchema).describe('None: the release keeps its targets here.'),
  })
  .meta({ id: 'SiteEvaluation' });
export type SiteEvaluation = z.infer<typeof siteEvaluationSchema>;

export const siteEvaluationPageSchema = pageOf(siteEvaluationSchema, 'SiteEvaluationPage');
export type SiteEvaluationPage = z.infer<typeof siteEvaluationPageSchema>;

export const retrainingProposalSchema = z
  .object({
    id: uuidSchema,
    evaluationId: uuidSchema,
    siteId: slugSchema,
    kind: proposalKindSchema.describe(
      'candidate-release: no threshold keeps both targets here; it is a request for another model, and starts nothing by itself.',
    ),
    state: proposalStateSchema,
    variantDigest: z.string(),
    recalibration: z
      .object({ offsetBefore: z.number(), offsetAfter: z.number() })
      .nullable()
      .describe('What is added to the calibrated thresholds of the site.'),
    figures: evaluationFiguresSchema.describe('Of the evaluation: `active` before, `calibrated` after.'),
    createdAt: timestampSchema,
    decidedAt: timestampSchema.nullable(),
    decidedBy: z.string().nullable(),
  })
  .meta({ id: 'RetrainingProposal' });
export type RetrainingProposal = z.infer<typeof retrainingProposalSchema>;

export const retrainingProposalQuerySchema = pageQuerySchema
  .extend({ state: proposalStateSchema.optional(), siteId: slugSchema.optional() })
  .strict();
export type RetrainingProposalQuery = z.infer<typeof retrainingProposalQuerySchema>;

export const retrainingProposalPageSchema = pageOf(retrainingProposalSchema, 'RetrainingProposalPage');
export type RetrainingProposalPage = z.infer<typeof retrainingProposalPageSchema>;
