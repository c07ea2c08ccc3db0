import { z } from 'zod';

import { uuidSchema } from './common.js';

export const outcomeSchema = z.enum(['identified', 'ambiguous', 'unknown', 'refused']);
export type Outcome = z.infer<typeof outcomeSchema>;

export const boxSchema = z
  .object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() })
  .describe('Pixels of the upright image; the origin is its upper left corner.')
  .meta({ id: 'Box' });

export const decisionSchema = z
  .object({
    outcome: outcomeSchema,
    person: z.object({ id: uuidSchema, name: z.string() }).nullable(),
    ambiguousBetween: z
      .array(z.object({ id: uuidSchema, name: z.string() }))
      .describe('The two people who lie too close together to tell, nearest first; empty unless ambiguous.'),
    score: z.number().nullable().describe('Cosine similarity to the nearest person, -1 to 1.'),
    threshold: z.number().describe('The bar that the score was held against.'),
    falseMatchRate: z.number().describe('The false-match rate that the threshold stands for.'),
  })
  .meta({ id: 'Decision' });
export type Decision = z.infer<typeof decisionSchema>;

export const identifiedFaceSchema = decisionSchema
  .extend({
    box: boxSchema,
    quality: z.number().min(0).max(1),
    refusalCode: z.string().nullable().describe('Why nothing was decided, when refused.'),
    candidates: z
      .array(z.object({ personId: uuidSchema, name: z.string(), score: z.number() }))
      .describe('Nearest people, best first.'),
  })
  .meta({ id: 'IdentifiedFace' });
export type IdentifiedFace = z.infer<typeof identifiedFaceSchema>;

export const identifyResponseSchema = z
  .object({
    faces: z.array(identifiedFaceSchema).describe('Largest first; empty when no face was found.'),
    release: z.object({ version: z.string(), digest: z.string() }),
    modelSpace: z.string(),
    stageMs: z.record(z.string(), z.number()).describe('Duration of each stage, ms.'),
  })
  .meta({ id: 'IdentifyResponse' });
export type IdentifyResponse = z.infer<typeof identifyResponseSchema>;
