import { z } from 'zod';

import { deviceSchema } from './devices.js';
import { slugSchema, timestampSchema, uuidSchema } from './common.js';

const count = z.number().int().min(0);

export const deviceHealthSchema = z
  .object({
    at: timestampSchema.describe('When the cloud heard of it.'),
    uptimeMs: count,
    residentBytes: count,
    outboxBacklog: count.describe('Records that the cloud has not acknowledged.'),
    outboxBytes: count,
    outboxProblem: z.string().nullable().describe('Error code of what keeps the box from storing records.'),
    recordsDropped: count.describe('Since the agent’s start, for want of room; superseded revisions excepted.'),
    cameras: z.array(
      z.object({
        cameraId: z.string(),
        state: z.string(),
        frames: count,
        droppedFrames: count,
        failedFrames: count,
        problem: z.string().nullable().describe('Error code of what keeps frames from coming.'),
      }),
    ),
  })
  .meta({ id: 'DeviceHealth' });
export type DeviceHealth = z.infer<typeof deviceHealthSchema>;

export const deviceDetailSchema = deviceSchema
  .extend({
    configUpdate: z
      .object({
        version: count,
        status: z.enum(['pending', 'applied', 'failed']),
        error: z.string().nullable().describe('Error code of why the box could not take it.'),
      })
      .nullable()
      .describe('How the box fares with its desired configuration; null before it has said so.'),
    delivery: z
      .object({
        gaps: count.describe('Runs of records that the box dropped before the cloud had them.'),
        lostRecords: count.describe('Records in them whose content is gone.'),
      })
      .describe('What the box could not keep, over all of its outboxes.'),
    health: deviceHealthSchema.nullable().describe('As last heard; null before the first time.'),
  })
  .meta({ id: 'DeviceDetail' });
export type DeviceDetail = z.infer<typeof deviceDetailSchema>;

const latencySchema = z.object({
  boundsMs: z.array(z.number()),
  counts: z.array(count).describe('One for each bound, and one for what is above the last.'),
  sumMs: z.number(),
});

export const healthWindowSchema = z
  .object({
    startedAt: timestampSchema,
    endedAt: timestampSchema,
    releaseDigest: z.string().describe('Empty when no release ran.'),
    trialArm: z.string(),
    frames: count,
    droppedFrames: count,
    failedFrames: count,
    detections: count,
    sightings: count,
    embeddings: count,
    embedFailures: count,
    detectLatency: latencySchema,
    embedLatency: latencySchema,
    residentBytes: count.describe('The most that was seen.'),
    restarts: count,
    camerasStalled: count,
    recordsDropped: count,
  })
  .meta({ id: 'HealthWindow' });
export type HealthWindow = z.infer<typeof healthWindowSchema>;

export const healthWindowListSchema = z
  .object({ items: z.array(healthWindowSchema).describe('Newest first; a box is remembered for a week.') })
  .meta({ id: 'HealthWindowList' });
export type HealthWindowList = z.infer<typeof healthWindowListSchema>;

export const healthWindowQuerySchema = z.object({ limit: z.coerce.number().int().min(1).max(2016).default(288) });

const validFor = z
  .number()
  .int()
  .min(1)
  .max(86_400)
  .default(300)
  .describe('Seconds after which a box no longer begins it.');

export const createCommandSchema = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('ping'), validForSeconds: validFor }).strict(),
    z.object({ kind: z.literal('restart-camera'), cameraId: slugSchema, validForSeconds: validFor }).strict(),
    z.object({ kind: z.literal('resync-gallery'), validForSeconds: validFor }).strict(),
    z.object({ kind: z.literal('collect-diagnostics'), validForSeconds: validFor }).strict(),
  ])
  .meta({ id: 'CreateCommand' });
export type CreateCommand = z.infer<typeof createCommandSchema>;

export const commandSchema = z
  .object({
    id: uuidSchema,
    kind: z.enum(['ping', 'restart-camera', 'resync-gallery', 'collect-diagnostics']),
    cameraId: z.string().nullable(),
    state: z
      .enum(['pending', 'sent', 'accepted', 'progress', 'succeeded', 'failed', 'rejected', 'expired'])
      .describe('pending: the box is not there; sent: it has not answered.'),
    error: z.string().nullable().describe('Error code when it failed, was rejected or expired.'),
    figures: z.record(z.string(), z.number()).describe('What it found out, by name.'),
    createdAt: timestampSchema,
    expiresAt: timestampSchema,
    endedAt: timestampSchema.nullable(),
  })
  .meta({ id: 'Command' });
export type Command = z.infer<typeof commandSchema>;
