import { calibrationSchema } from '@sightline/contracts';
import { z } from 'zod';

const share = z.number().min(0).max(1);
const count = z.number().int().min(0);

/** What the figures rest on. No image, name or template of it is in a report. */
const evaluatedDataSchema = z.object({
  name: z.string().describe("The folder's name."),
  digest: z.string().describe('SHA-256 over the names and sizes of its images, and its lists.'),
  images: count,
  identities: count,
  withoutFace: count.describe('Images in which no face was found; they match nothing.'),
});

const operatingPointSchema = z.object({
  falseMatchRate: share.describe('In a single comparison.'),
  trueAcceptRate: share.describe('Each fold judged at the threshold of the others.'),
  interval95: z
    .tuple([share, share])
    .optional()
    .describe('Over identities, by bootstrap; absent of a fitted threshold.'),
  threshold: z.number().describe('Of all impostor pairs; scores above it match.'),
  falseMatches: count,
  fitted: z.boolean().describe('Fewer than 30 false matches: the threshold comes from a fitted tail.'),
  observedRate: share.describe('The false-match rate that the thresholds of other folds led to.'),
});

const openSetPointSchema = z.object({
  falsePositiveRate: share.describe('FPIR: the share of strangers who are returned as somebody.'),
  falseNegativeRate: share.describe('FNIR: the share of probes that are not returned as their own person.'),
  draws: z
    .object({ mean: share, deviation: z.number().min(0) })
    .describe('Of FNIR over 20 seeded draws that turn half of the enrolled people into strangers.'),
});

const histogramSchema = z.object({
  from: z.number(),
  to: z.number(),
  counts: z.array(count).min(1),
});

const scoreShiftSchema = z.object({
  pairs: count,
  mean: z.number().describe("Of the variant's score less the parent's."),
  deviation: z.number().min(0),
  kolmogorovSmirnov: share.describe('Largest difference of the distribution functions.'),
});

const rateSchema = z.object({ falseMatchRate: share, trueAcceptRate: share });

const agreementSchema = z
  .object({
    parentDigest: z.string(),
    faces: count,
    cosine: z.object({ mean: z.number(), p1: z.number(), min: z.number(), histogram: histogramSchema }),
    genuine: scoreShiftSchema,
    impostor: scoreShiftSchema.describe('Over a seeded sample of the impostor pairs.'),
    parent: z.array(rateSchema).describe('What the parent itself reaches, by the same protocol.'),
    mixed: z.array(rateSchema).describe("The parent's templates enrolled, the variant's searched with."),
  })
  .describe('With the model that the variant was made from.');
export type Agreement = z.infer<typeof agreementSchema>;

const subgroupSchema = z.object({
  label: z.string(),
  value: z.string(),
  identities: count,
  genuinePairs: count,
  rates: z
    .array(
      z.object({
        falseMatchRate: share.describe('That the threshold was set for, over all.'),
        trueAcceptRate: share.nullable(),
        impostorPairs: count,
        falseMatches: count,
        observedRate: share.nullable().describe('Between two people of the group, at that threshold.'),
      }),
    )
    .describe('At the thresholds of all people.'),
});
export type Subgroup = z.infer<typeof subgroupSchema>;

const degradedSchema = z.object({
  name: z.string(),
  withoutFace: count,
  trueAcceptRate: share.describe('At a false-match rate of 1e-3 of good probes.'),
  medianQuality: share,
});

/** An embedder. */
export const embedderEvaluationSchema = z.object({
  task: z.literal('embedder'),
  variantDigest: z.string(),
  dataSet: evaluatedDataSchema,
  genuinePairs: count,
  impostorPairs: count,
  accuracy: share.describe('Of the verification pairs, at thresholds of the other folds.'),
  operatingPoints: z.array(operatingPointSchema).min(1).describe('Rates falling.'),
  roc: z.array(rateSchema.extend({ threshold: z.number() })).describe('Rates falling; DET is what is left to 1.'),
  openSet: z.array(openSetPointSchema),
  scores: z.object({ from: z.number(), to: z.number(), genuine: z.array(count), impostor: z.array(count) }),
  agreement: agreementSchema.optional().describe('Absent of a model that was made from no other.'),
  subgroups: z.array(subgroupSchema).describe('Empty where the data set has no labels.'),
  degraded: z.array(degradedSchema).describe('Genuine pairs, the first image good and the second made worse.'),
  calibration: calibrationSchema
    .optional()
    .describe('For the manifest of a release; absent where the data are too few to count two thresholds.'),
  embedMs: z.number().describe('Median, of one face, on the machine that evaluated: says nothing of a box.'),
});
export type EmbedderEvaluation = z.infer<typeof embedderEvaluationSchema>;

const extremesSchema = z.object({ mean: z.number(), p1: z.number(), min: z.number() });

/** A detector, or a landmark model: what its pipeline finds. */
export const detectionEvaluationSchema = z.object({
  task: z.enum(['detector', 'landmarks']),
  variantDigest: z.string(),
  dataSet: evaluatedDataSchema,
  recall: share.describe('The share of images whose person is found.'),
  furtherFaces: count.describe(
    'Faces besides the one in the middle: bystanders and false alarms; nothing tells them apart.',
  ),
  medianQuality: share,
  agreement: z
    .object({
      parentDigest: z.string(),
      foundByBoth: count,
      foundByParentAlone: count,
      foundByVariantAlone: count,
      overlap: extremesSchema.describe('Intersection over union of the boxes.'),
      pointShift: z
        .object({ mean: z.number(), p99: z.number(), max: z.number() })
        .describe('Mean distance of the five points, in distances of the eyes.'),
    })
    .optional(),
  detectMs: z.number().describe('Median, of one image, on the machine that evaluated.'),
});
export type DetectionEvaluation = z.infer<typeof detectionEvaluationSchema>;

const presentationRatesSchema = z.object({
  threshold: z.number(),
  bpcer: share,
  worstApcer: share,
  apcer: z.record(z.string(), share),
});

/** A presentation-attack model. */
export const presentationAttackEvaluationSchema = z.object({
  task: z.literal('presentationAttack'),
  variantDigest: z.string(),
  dataSet: evaluatedDataSchema.pick({ name: true, digest: true }),
  attacksAreSynthetic: z
    .literal(true)
    .describe('Made of photographs in code: a good figure proves little, a bad one proves that the model is too weak.'),
  live: z.object({ people: count, noFace: count, medianScore: z.number() }),
  species: z.record(
    z.string(),
    z.object({ presentations: count, noFace: count, medianScore: z.number(), areaUnderCurve: share }),
  ),
  atThreshold: z.array(presentationRatesSchema),
  atBpcer: z.array(presentationRatesSchema.extend({ bpcerWanted: share })),
  agreement: z
    .object({
      parentDigest: z.string(),
      presentations: count,
      meanDifference: z.number().describe("Of the variant's score less the parent's."),
      largestDifference: z.number(),
      changedDecisions: share.describe('The share that falls on the other side of a score of 0.5.'),
    })
    .optional(),
});
export type PresentationAttackEvaluation = z.infer<typeof presentationAttackEvaluationSchema>;

/** What an evaluation has found, by the task of its model. Figures alone. */
export const evaluationReportSchema = z
  .discriminatedUnion('task', [embedderEvaluationSchema, detectionEvaluationSchema, presentationAttackEvaluationSchema])
  .meta({ id: 'EvaluationReport' });
export type EvaluationReport = z.infer<typeof evaluationReportSchema>;
