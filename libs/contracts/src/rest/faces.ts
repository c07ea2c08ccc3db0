import { z } from 'zod';

import { boxSchema } from './identification.js';

const pointSchema = z.object({ x: z.number(), y: z.number() }).meta({ id: 'Point' });
const shareSchema = z.number().min(0).max(1);

/** Left and right as seen in the picture. */
export const fivePointsSchema = z
  .object({
    leftEye: pointSchema,
    rightEye: pointSchema,
    nose: pointSchema,
    leftMouthCorner: pointSchema,
    rightMouthCorner: pointSchema,
  })
  .describe('Pixels of the upright image; left and right as seen in the picture.')
  .meta({ id: 'FivePoints' });
export type FivePoints = z.infer<typeof fivePointsSchema>;

export const faceSchema = z
  .object({
    box: boxSchema,
    fivePoints: fivePointsSchema,
    detectionScore: shareSchema.describe('Confidence of the detector.'),
    quality: shareSchema.describe(
      'Fitness for recognition: size, sharpness, pose, exposure, and whether anything hides it.',
    ),
  })
  .meta({ id: 'Face' });
export type Face = z.infer<typeof faceSchema>;

export const templateCodecSchema = z
  .enum(['int8', 'float16'])
  .describe('int8: half the bytes, cosines within 2e-3. float16: within 1e-5 as a rule.');

/** Largest dimension that a template key rotates, at two bytes a component, in base64. */
const LONGEST_DATA = 4 * Math.ceil((2 * 4096) / 3);

/** A protected template as it is given out, and as it is accepted back. */
export const templateSchema = z
  .object({
    modelSpace: z.string().min(1).max(200).describe('Templates of two model spaces are never compared.'),
    keyId: z
      .string()
      .regex(/^[0-9a-f]{32}$/, '32 hexadecimal digits')
      .describe('The template key that protects it; templates under two keys are never compared.'),
    variantDigest: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'a SHA-256, hexadecimal')
      .describe('The embedder variant that made it.'),
    codec: templateCodecSchema,
    scale: z.number().describe('component = scale · code; 1 for float16.'),
    dimension: z.number().int().min(1).max(4096),
    data: z
      .string()
      .max(LONGEST_DATA)
      .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'base64')
      .describe('Base64 of the codes: int8 one signed byte a component, float16 two bytes, little endian.'),
    quality: shareSchema.describe('Quality of the face that it was made from.'),
  })
  .strict()
  .meta({ id: 'Template' });
export type Template = z.infer<typeof templateSchema>;

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const embeddingsQuerySchema = z.object({ codec: templateCodecSchema.default('float16') }).strict();
export type EmbeddingsQuery = z.infer<typeof embeddingsQuerySchema>;

/** The models that an answer was made with. */
export const usedReleaseSchema = z.object({ version: z.string(), digest: z.string() });

export const embeddingsResponseSchema = z
  .object({
    faces: z
      .array(faceSchema.extend({ template: templateSchema }).meta({ id: 'EmbeddedFace' }))
      .describe('Largest first; empty when no face was found.'),
    release: usedReleaseSchema,
    modelSpace: z.string(),
    stageMs: z.record(z.string(), z.number()).describe('Duration of each stage, ms.'),
  })
  .meta({ id: 'EmbeddingsResponse' });
export type EmbeddingsResponse = z.infer<typeof embeddingsResponseSchema>;
