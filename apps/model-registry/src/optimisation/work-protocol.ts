import {
  detectorSpecSchema,
  embedderSpecSchema,
  landmarksSpecSchema,
  presentationAttackSpecSchema,
} from '@sightline/contracts';
import type { AppError } from '@sightline/kernel';
import { z } from 'zod';

import { variantKinds } from '../models/model-manifest.js';

/** What the process that works on models is asked for. Files, not bytes: a message would hold everything twice. */
export const modelWorkSchema = z
  .object({
    kind: z.enum(variantKinds),
    /** The file to work on, and the one to write. */
    source: z.string(),
    output: z.string(),
    model: z.discriminatedUnion('task', [
      z.object({ task: z.literal('detector'), spec: detectorSpecSchema }),
      z.object({ task: z.literal('landmarks'), spec: landmarksSpecSchema }),
      z.object({ task: z.literal('embedder'), spec: embedderSpecSchema }),
      z.object({ task: z.literal('presentationAttack'), spec: presentationAttackSpecSchema }),
    ]),
    /** Where the photographs are kept on which a model is proven. */
    storeDirectory: z.string(),
    /** Images of known people; none: the photographs of the proof are all that there is. */
    dataSetDirectory: z.string().optional(),
    options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  })
  .readonly();
export type ModelWork = z.infer<typeof modelWorkSchema>;

/** What it answers: how far it is, then once how it ended. */
export const workMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), step: z.string(), progress: z.number() }),
  z.object({ type: z.literal('done'), report: z.record(z.string(), z.unknown()) }),
  z.object({
    type: z.literal('failed'),
    code: z.string().transform((code) => code as AppError['code']),
    message: z.string(),
    retryable: z.boolean(),
  }),
]);
export type WorkMessage = z.infer<typeof workMessageSchema>;

/** How much of its machine the work may take. */
export interface WorkLimits {
  /** Of memory, of the whole process, bytes. */
  readonly memoryBytes: number;
  /** Of time, ms. */
  readonly deadlineMs: number;
}
