import { z } from 'zod';

import { pageOf, pageQuerySchema, slugSchema, timestampSchema, uuidSchema } from './common.js';
import { outcomeSchema } from './identification.js';
import { imageDigestSchema } from './sealed-images.js';

/** What an identification is for; `general` where nothing else is said. */
export const decisionUseSchema = z.enum(['general', 'access', 'attendance', 'watch-list', 'photo-search']);
export type DecisionUse = z.infer<typeof decisionUseSchema>;

const rate = z.number().gt(0).lt(1);
const share = z.number().min(0).max(1);

const presentationRuleSchema = z.discriminatedUnion('mode', [
  z.object({ mode: z.literal('report') }).strict(),
  z.object({ mode: z.literal('require'), liveScore: z.number().gt(0).max(1) }).strict(),
]);

const ruleFields = {
  falseMatchRate: rate.describe('The most that one comparison may have.'),
  falsePositiveRate: rate
    .nullable()
    .describe(
      'FPIR: the most that a search of the whole gallery may have; the threshold rises with the templates that are searched. Null: it does not.',
    ),
  margin: share.describe('How much nearer than the second the nearest person must be, as a difference of cosines.'),
  minimumQuality: share.describe('Of a sighting; below it nobody is named.'),
  presentation: presentationRuleSchema.describe(
    'Whether a presentation must look live, also where the box does not ask.',
  ),
  siteOnly: z
    .boolean()
    .describe("Whether only people of the sighting's site are looked for, and people of every site."),
  groups: z.array(slugSchema).max(50).describe('Only people of one of these groups are looked for; none: everybody.'),
};

const decisionRulesSchema = z.object(ruleFields).strict().meta({ id: 'DecisionRules' });
/** What is not given is as for the tenant, and at last as by default. */
const someRulesSchema = z.object(ruleFields).partial().strict();
export type SomeDecisionRules = z.infer<typeof someRulesSchema>;
export type DecisionRules = z.infer<typeof decisionRulesSchema>;

const placeSchema = z
  .object({
    siteId: slugSchema.optional(),
    deviceId: slugSchema.optional(),
    cameraId: z.string().min(1).max(100).optional(),
    use: decisionUseSchema,
    rules: someRulesSchema.optional(),
  })
  .strict()
  .refine(
    ({ siteId, deviceId, cameraId }) => (siteId ?? deviceId ?? cameraId) !== undefined,
    'a site, device or camera',
  );

const retentionSchema = z
  .object({
    reviewHours: z
      .number()
      .int()
      .min(0)
      .max(8760)
      .describe('How long the probe of a sighting that named somebody is kept for review; 0: not at all.'),
    unknownHours: z
      .number()
      .int()
      .min(0)
      .max(720)
      .describe('The same for a sighting that named nobody, whose probe is a stranger’s; 0: not at all.'),
    hardNegativeDays: z.number().int().min(1).max(3650).describe('How long "not this person" is remembered.'),
  })
  .strict();

const recalibrationSchema = z
  .object({
    siteId: slugSchema,
    variantDigest: z.string().regex(/^[0-9a-f]{64}$/),
    offset: z.number().min(-0.3).max(0.3),
  })
  .strict();

const policyFields = {
  rules: someRulesSchema.default({}).describe('For every use.'),
  uses: z.partialRecord(decisionUseSchema, someRulesSchema).default({}).describe('For one use, before `rules`.'),
  places: z
    .array(placeSchema)
    .max(1000)
    .default([])
    .describe('What sites, devices and cameras are used for; the one that says most about a sighting counts.'),
  retention: retentionSchema.partial().default({}),
  recalibrations: z
    .array(recalibrationSchema)
    .max(1000)
    .default([])
    .describe(
      'What is added to the thresholds of a site, as long as decisions are calibrated for this embedder variant: what accepted proposals have written.',
    ),
};

export const putDecisionPolicySchema = z
  .object({
    version: z.number().int().min(0).optional().describe('The version that is replaced; another one is a conflict.'),
    ...policyFields,
  })
  .strict()
  .meta({ id: 'PutDecisionPolicy' });
/** As a client sends it. */
export type PutDecisionPolicy = z.input<typeof putDecisionPolicySchema>;
export type CheckedDecisionPolicy = z.output<typeof putDecisionPolicySchema>;

export const decisionPolicySchema = z
  .object({
    version: z.number().int().describe('0: nothing was ever set.'),
    changedAt: timestampSchema.nullable(),
    ...policyFields,
    effective: z
      .record(decisionUseSchema, decisionRulesSchema)
      .describe('The rules of each use with all defaults, without those of places.'),
    effectiveRetention: retentionSchema,
  })
  .meta({ id: 'DecisionPolicy' });
export type DecisionPolicy = z.infer<typeof decisionPolicySchema>;

/** `{sighting}:{revision}` */
export const identificationIdSchema = z
  .string()
  .regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:[1-9]\d{0,9}$/i, 'the id of a sighting, a colon and a revision')
  .transform((id) => {
    const [sightingId = '', revision = ''] = id.toLowerCase().split(':');
    return { sightingId, revision: Number(revision) };
  })
  // PostgreSQL's integer.
  .refine(({ revision }) => revision <= 2_147_483_647, 'a revision that can be');
export type IdentificationId = z.output<typeof identificationIdSchema>;

const namedPersonSchema = z.object({ id: uuidSchema, name: z.string() });

export const reviewVerdictSchema = z.enum(['confirmed', 'not-this-person', 'is-person']);

const reviewSchema = z
  .object({
    verdict: reviewVerdictSchema,
    person: namedPersonSchema.nullable().describe('Who is confirmed, who it is not, or who it is; null once erased.'),
    actor: z.string(),
    reviewedAt: timestampSchema,
    hardNegatives: z
      .number()
      .int()
      .describe('Probes that are remembered because of it. None where the probe is not kept any more.'),
  })
  .meta({ id: 'IdentificationReview' });

export const reviewIdentificationSchema = z
  .object({
    verdict: reviewVerdictSchema,
    personId: uuidSchema
      .optional()
      .describe('With is-person: who it is. With the others: which of the two who are ambiguous.'),
  })
  .strict()
  .refine(({ verdict, personId }) => verdict !== 'is-person' || personId !== undefined, 'is-person says who')
  .meta({ id: 'ReviewIdentification' });
export type ReviewIdentification = z.infer<typeof reviewIdentificationSchema>;

const ruleResultSchema = z.object({
  rule: z.enum(['comparable', 'quality', 'presentation', 'threshold', 'hard-negatives', 'margin']),
  verdict: z.enum(['passed', 'failed', 'not-applied']),
  required: z.number().nullable(),
  found: z.number().nullable(),
});

const targetSchema = z.object({
  falseMatchRate: z.number().describe('What one comparison was allowed, corrected for the size of the gallery.'),
  falsePositiveRate: z.number().nullable().describe('What the search was allowed; null: only its comparisons count.'),
  templatesSearched: z.number().int().describe('N: after the filters of the policy.'),
  expectedFalsePositiveRate: z.number().describe('What the search has at the threshold that was taken, at most.'),
  calibrationLimited: z
    .boolean()
    .describe('The calibration was not measured that far: the threshold is the one at its end.'),
  calibrationOffset: z.number().describe('What a recalibration of the site has added to the threshold; 0: none.'),
});

export const identificationSchema = z
  .object({
    id: z.string().describe('`{sighting}:{revision}`'),
    sightingId: uuidSchema,
    revision: z.number().int(),
    decidedAt: timestampSchema,
    outcome: outcomeSchema,
    person: namedPersonSchema.nullable(),
    score: z.number().nullable().describe('Cosine similarity to the nearest person, -1 to 1.'),
    threshold: z.number(),
    falseMatchRate: z.number().describe('Of one comparison, at that threshold.'),
    refusalCode: z.string().nullable(),
    imageDigest: imageDigestSchema
      .nullable()
      .describe('Of the sealed image that is stored of the sighting, if there is one.'),
    target: targetSchema.nullable().describe('Null: it was decided before decisions said so.'),
    calibration: z
      .object({
        releaseVersion: z.string(),
        modelSpace: z.string(),
        variantDigest: z.string().describe('The embedder that the calibration was measured with.'),
        probeVariantDigest: z.string().nullable().describe('The embedder that made the probe.'),
      })
      .nullable(),
    policy: z
      .object({
        use: decisionUseSchema,
        version: z.number().int(),
        site: z.string().nullable().describe('Only people of this site were looked for, and of every site.'),
        groups: z.array(z.string()),
      })
      .nullable(),
    rules: z.array(ruleResultSchema).describe('In the order in which they are asked.'),
    candidates: z
      .array(
        z.object({
          person: namedPersonSchema,
          templateId: uuidSchema,
          score: z.number(),
          hardNegativeScore: z
            .number()
            .nullable()
            .describe('Of the nearest probe that is known not to be this person.'),
          failed: z
            .enum(['threshold', 'hard-negatives', 'margin'])
            .nullable()
            .describe('By which rule they are not the one.'),
        }),
      )
      .describe('The people near the bar, best first; somebody who was erased is in no explanation any more.'),
    local: z
      .object({
        outcome: z.enum(['identified', 'unknown']),
        person: namedPersonSchema.nullable(),
        score: z.number().nullable(),
        differed: z.boolean().describe('The box named somebody, and the decision names another or nobody.'),
      })
      .nullable()
      .describe('What the box had decided by its own cache.'),
    review: reviewSchema.nullable(),
    identifyMs: z.number(),
  })
  .meta({ id: 'Identification' });
export type Identification = z.infer<typeof identificationSchema>;

export const identificationPageSchema = pageOf(identificationSchema, 'IdentificationPage');
export type IdentificationPage = z.infer<typeof identificationPageSchema>;

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const identificationQuerySchema = pageQuerySchema
  .extend({ sightingId: uuidSchema.describe('Of whose revisions the identifications are listed.') })
  .strict();
export type IdentificationQuery = z.infer<typeof identificationQuerySchema>;
