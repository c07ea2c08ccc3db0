import { z } from 'zod';

import {
  detectorSpecSchema,
  embedderSpecSchema,
  landmarksSpecSchema,
  presentationAttackSpecSchema,
} from './model-spec.js';
import { selfTestSchema } from './self-test.js';

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

/** Where a model comes from and what may be done with it. */
export const provenanceSchema = z.object({
  name: z.string(),
  source: z.string().describe('npm:{package}@{version}#{path}'),
  licence: z.string().describe('SPDX id, as the source states it.'),
  trainingData: z.string().describe('What is known of it; "unstated" where nothing is.'),
  imported: z
    .object({
      from: sha256Schema.describe("Of the source's file."),
      rewriter: z.string().describe('Version of the import pass.'),
    })
    .optional()
    .describe("There when the file was rewritten from the source's to run faster, and proven to answer the same."),
  note: z.string().optional(),
});

const modelFileSchema = z.object({
  target: z.string().describe('TUF target path.'),
  sha256: sha256Schema,
  bytes: z.number().int().positive(),
  provenance: provenanceSchema,
});

/** One threshold at one stated false-match rate. */
export const calibrationPointSchema = z.object({
  falseMatchRate: z.number().positive().max(1),
  threshold: z.number().min(-1).max(1).describe('Cosine similarity.'),
});

/** What the thresholds were measured on. */
export const calibrationSchema = z.object({
  variantDigest: sha256Schema.describe('The embedder variant that it holds for.'),
  dataSet: z.string(),
  impostorPairs: z.number().int().positive(),
  points: z.array(calibrationPointSchema).min(2).describe('Falling false-match rates, rising thresholds.'),
});

/** One atomic, signed bundle: the models and everything that must match them. */
export const releaseManifestSchema = z.object({
  formatVersion: z.literal(1),
  version: z.string().regex(/^\d+\.\d+\.\d+(?:-[0-9a-z.-]+)?$/),
  createdAt: z.iso.datetime(),
  modelSpace: z.object({ id: z.string().min(1).max(100), dimension: z.number().int().positive().max(4096) }),
  detector: modelFileSchema.extend({ spec: detectorSpecSchema }),
  landmarks: modelFileSchema.extend({ spec: landmarksSpecSchema }),
  embedder: modelFileSchema.extend({ spec: embedderSpecSchema }),
  presentationAttack: modelFileSchema.extend({ spec: presentationAttackSpecSchema }).optional(),
  calibration: calibrationSchema,
  selfTest: selfTestSchema,
});

export type Provenance = z.infer<typeof provenanceSchema>;
export type Calibration = z.infer<typeof calibrationSchema>;
export type ReleaseManifest = z.infer<typeof releaseManifestSchema>;
