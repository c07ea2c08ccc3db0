import {
  calibrationSchema,
  detectorSpecSchema,
  embedderSpecSchema,
  landmarksSpecSchema,
  presentationAttackSpecSchema,
  rest,
} from '@sightline/contracts';
import { z } from 'zod';

const provenance = {
  name: rest.labelSchema.describe('What it is called in lists and on its card.'),
  licence: z.string().min(1).max(200).describe('SPDX id or expression, as the source states it.'),
  origin: z.string().min(1).max(500).describe('Where the file is from: an address, or npm:{package}@{version}#{path}.'),
  trainingData: z.string().min(1).max(500).default('unstated'),
  note: z.string().min(1).max(1000).optional(),
  published: z
    .array(
      z.object({
        measure: z.string().min(1).max(100).describe('Such as "TAR at FAR 1e-4".'),
        value: z.number(),
        dataSet: z.string().min(1).max(100),
      }),
    )
    .max(50)
    .default([])
    .describe('Figures that its authors state; nobody here has measured them.'),
};

/** What must be known of a model besides its file. */
export const modelManifestSchema = z
  .discriminatedUnion('task', [
    z.object({ task: z.literal('detector'), spec: detectorSpecSchema, ...provenance }),
    z.object({ task: z.literal('landmarks'), spec: landmarksSpecSchema, ...provenance }),
    z.object({
      task: z.literal('embedder'),
      spec: embedderSpecSchema,
      modelSpace: z
        .string()
        .max(80)
        .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/, 'lower-case letters, digits, inner hyphens and dots')
        .describe('Whatever is comparable with its templates has the same.'),
      calibration: calibrationSchema
        .optional()
        .describe('Thresholds of the variant that it names. Other variants need an evaluation.'),
      ...provenance,
    }),
    z.object({ task: z.literal('presentationAttack'), spec: presentationAttackSpecSchema, ...provenance }),
  ])
  .meta({ id: 'ModelManifest' });
export type ModelManifest = z.infer<typeof modelManifestSchema>;

/** What a variant was made by. `imported`: of the uploaded file, by the import pass. */
export const variantKinds = ['imported', 'fp16', 'int8', 'pruned', 'reparameterised'] as const;
export type VariantKind = (typeof variantKinds)[number];

/** What can be done with a model that takes long. */
export const jobKinds = [...variantKinds, 'evaluate'] as const;
export type JobKind = (typeof jobKinds)[number];
export const jobStates = ['waiting', 'running', 'succeeded', 'failed', 'cancelled'] as const;

const digestSchema = z.string().regex(/^[0-9a-f]{64}$/);

export const modelVariantSchema = z
  .object({
    digest: digestSchema.describe('SHA-256 of the file.'),
    bytes: z.number().int(),
    kind: z.enum(variantKinds),
    parent: digestSchema.nullable().describe('The variant that it was made of.'),
    report: z
      .record(z.string(), z.unknown())
      .describe('What was done, and what was measured; `evaluation` if it was evaluated.'),
    createdAt: rest.timestampSchema,
  })
  .meta({ id: 'ModelVariant' });
export type ModelVariant = z.infer<typeof modelVariantSchema>;

export const modelSchema = z
  .object({
    id: z.uuid(),
    manifest: modelManifestSchema,
    use: z.enum(['any', 'non-commercial', 'unknown']).describe('What its licence allows.'),
    source: digestSchema.describe('SHA-256 of the file as it was uploaded.'),
    variants: z.array(modelVariantSchema).describe('Oldest first; none until the import has succeeded.'),
    createdAt: rest.timestampSchema,
  })
  .meta({ id: 'Model' });
export type Model = z.infer<typeof modelSchema>;
export const modelListSchema = z
  .object({ items: z.array(modelSchema).describe('Newest first, 500 at most.') })
  .meta({ id: 'ModelList' });

export const newModelSchema = z
  .object({ manifest: modelManifestSchema, source: digestSchema.describe('Of a file that PUT /v1/blobs has taken.') })
  .meta({ id: 'NewModel' });
export type NewModel = z.infer<typeof newModelSchema>;

export const newModelJobSchema = z
  .object({
    kind: z.enum(jobKinds).exclude(['imported']),
    variant: digestSchema.optional().describe('What to work on. Default: the imported one.'),
    options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  })
  .meta({ id: 'NewModelJob' });
export type NewModelJob = z.infer<typeof newModelJobSchema>;

export const modelJobSchema = z
  .object({
    id: z.uuid(),
    modelId: z.uuid(),
    kind: z.enum(jobKinds),
    state: z.enum(jobStates),
    progress: z.number().min(0).max(1),
    step: z.string().describe('What is being done, for people.'),
    report: z.record(z.string(), z.unknown()).nullable(),
    error: z.object({ code: z.string(), detail: z.string() }).nullable(),
    createdAt: rest.timestampSchema,
    endedAt: rest.timestampSchema.nullable(),
  })
  .meta({ id: 'ModelJob' });
export type ModelJob = z.infer<typeof modelJobSchema>;
export const modelJobListSchema = z
  .object({ items: z.array(modelJobSchema).describe('Newest first, 500 at most.') })
  .meta({ id: 'ModelJobList' });

export const importedModelSchema = z.object({ model: modelSchema, job: modelJobSchema }).meta({ id: 'ModelImport' });
export type ImportedModel = z.infer<typeof importedModelSchema>;
export const blobSchema = z.object({ sha256: digestSchema, bytes: z.number().int() }).meta({ id: 'Blob' });
export const deployPolicySchema = z
  .object({ commercial: z.boolean().describe('Whether models are used for gain.') })
  .meta({ id: 'DeployPolicy' });
export type DeployPolicy = z.infer<typeof deployPolicySchema>;
export { digestSchema };
