import { rest } from '@sightline/contracts';
import { z } from 'zod';

import { versionSchema } from '../releases/release.schemas.js';
import { gates } from './gate.js';
import { buckets, rolloutStatuses } from './rollout.js';

const percentSchema = z.number().min(0.1).max(100).multipleOf(0.1);
const deadlineSchema = z.number().int().min(1).max(2_592_000);
const classSchema = z.string().min(1).max(200);

const advanceSchema = z.union([
  z.literal('manual').describe('A person opens the next stage.'),
  z.strictObject({
    successShare: z.number().gt(0).max(1).describe('Of all devices of the stage; exact.'),
    minimumDevices: z.number().int().min(1).max(1_000_000).describe('So many must have an outcome.'),
    deadlineSeconds: deadlineSchema.optional().describe('Instead of the rollout’s.'),
  }),
]);

const stageSchema = z.strictObject({
  percentage: percentSchema.describe('Of the rollout’s devices, this stage and those before it; the last has 100.'),
  advance: advanceSchema.describe('What ends the stage: the next one opens, or the rollout is completed.'),
});

const selectorSchema = z.strictObject({
  deviceIds: z.array(rest.slugSchema).min(1).max(10_000).optional(),
  deviceClasses: z.array(classSchema).min(1).max(100).optional(),
});

const releaseChoiceSchema = z.union([
  versionSchema.describe('One release for all devices.'),
  z.strictObject({
    byDeviceClass: z.record(classSchema, versionSchema),
    otherwise: versionSchema.optional().describe('For every other class; without it, those are rejected.'),
  }),
]);

export const createRolloutSchema = z
  .strictObject({
    release: releaseChoiceSchema,
    selector: selectorSchema.default({}).describe('Devices of the tenant. What is given has to fit; empty: all.'),
    percentage: percentSchema.default(100).describe('Of the selected devices.'),
    stages: z
      .array(stageSchema)
      .min(2)
      .max(20)
      .refine((stages) => stages.at(-1)?.percentage === 100, 'The last stage is for 100 percent.')
      .refine(
        (stages) => stages.every(({ percentage }, index) => percentage > (stages[index - 1]?.percentage ?? 0)),
        'Each stage is for more than the one before.',
      ),
    deadlineSeconds: deadlineSchema.default(86_400).describe('How long each device may take once it was told.'),
    note: z.string().max(500).default('').describe('For people.'),
  })
  .meta({ id: 'CreateRollout' });
export type CreateRollout = z.infer<typeof createRolloutSchema>;

const countsSchema = z
  .object(
    Object.fromEntries(buckets.map((bucket) => [bucket, z.number().int()])) as Record<
      (typeof buckets)[number],
      z.ZodNumber
    >,
  )
  .meta({ id: 'RolloutCounts' });

const releaseRefSchema = z.object({ version: z.string(), digest: z.string() });

export const rolloutSchema = z
  .object({
    id: z.string(),
    number: z.number().int().describe('Of two rollouts that have a device, the one with the higher number decides.'),
    status: z.enum(rolloutStatuses),
    reason: z.string().nullable().describe('Why it stopped by itself.'),
    stage: z.number().int().describe('The open stage, from 0.'),
    stageStartedAt: z.iso.datetime(),
    completedAt: z.iso.datetime().nullable(),
    releases: z.object({
      byDeviceClass: z.record(z.string(), releaseRefSchema),
      otherwise: releaseRefSchema.nullable(),
    }),
    selector: selectorSchema,
    percentage: z.number(),
    stages: z.array(stageSchema),
    deadlineSeconds: z.number().int(),
    note: z.string(),
    createdAt: z.iso.datetime(),
    createdBy: z.string(),
  })
  .meta({ id: 'Rollout' });
export type RolloutView = z.infer<typeof rolloutSchema>;

export const rolloutPageSchema = z
  .object({ items: z.array(rolloutSchema), nextBefore: z.number().int().nullable() })
  .meta({ id: 'RolloutPage' });
export type RolloutPage = z.infer<typeof rolloutPageSchema>;

export const rolloutQuerySchema = z.object({
  before: z.coerce.number().int().min(1).optional().describe('`nextBefore` of the page before.'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export type RolloutQuery = z.infer<typeof rolloutQuerySchema>;

const shareSchema = z
  .object({ ok: z.number().int(), of: z.number().int() })
  .describe('Successes of the devices that have a say: without rejected, superseded and withdrawn ones.');

export const rolloutReportSchema = z
  .object({
    rollout: rolloutSchema,
    gate: z.enum(gates).describe('How the open stage stands.'),
    share: shareSchema,
    counts: countsSchema,
    stages: z.array(z.object({ percentage: z.number(), share: shareSchema, counts: countsSchema })),
    errors: z.array(z.object({ code: z.string(), devices: z.number().int() })).describe('Commonest first.'),
    events: z.array(
      z.object({
        at: z.iso.datetime(),
        kind: z.string(),
        stage: z.number().int(),
        actor: z.string().nullable().describe('Null: the registry itself.'),
        reason: z.string().nullable(),
        counts: countsSchema.describe('As they were then.'),
      }),
    ),
  })
  .meta({ id: 'RolloutReport' });
export type RolloutReport = z.infer<typeof rolloutReportSchema>;

export const rolloutDeviceSchema = z
  .object({
    deviceId: z.string(),
    deviceClass: z.string().nullable(),
    stage: z.number().int(),
    bucket: z.enum(buckets),
    error: z.string(),
    goal: releaseRefSchema.nullable().describe('What it is to run.'),
    running: z.object({ version: z.string(), digest: z.string() }).nullable().describe('By its own word.'),
    documentVersion: z.number().int().nullable(),
    step: z.string().nullable().describe('The newest that it told of its update.'),
    attempt: z.number().int().nullable(),
    receivedBytes: z.number().int().nullable(),
    totalBytes: z.number().int().nullable(),
    offeredAt: z.iso.datetime().nullable(),
    deadlineAt: z.iso.datetime().nullable(),
    settledAt: z.iso.datetime().nullable(),
    fellBackAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'RolloutDevice' });
export type RolloutDevice = z.infer<typeof rolloutDeviceSchema>;

export const rolloutDevicePageSchema = z
  .object({ items: z.array(rolloutDeviceSchema), nextAfter: z.string().nullable() })
  .meta({ id: 'RolloutDevicePage' });
export type RolloutDevicePage = z.infer<typeof rolloutDevicePageSchema>;

export const rolloutDeviceQuerySchema = z.object({
  bucket: z.enum(buckets).optional(),
  after: rest.slugSchema.optional().describe('`nextAfter` of the page before.'),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});
export type RolloutDeviceQuery = z.infer<typeof rolloutDeviceQuerySchema>;
