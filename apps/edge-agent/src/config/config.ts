import { rest } from '@sightline/contracts';
import { parseConfiguration } from '@sightline/host';
import { z } from 'zod';

import { defaultSightingPolicy } from '../pipeline/sighting-policy.js';
import { defaultDeliveryPolicy } from '../uplink/batch-sender.js';
import { actionsSchema } from './actions-config.js';
import { cacheSchema } from './cache-config.js';
import { cameraSchema } from './camera-config.js';
import { localApiSchema, memorySchema } from './operation-config.js';
import { updateSchema } from './update-config.js';
import { uplinkSchema } from './uplink-config.js';

const { sightingSettingBounds: sightingBounds, deliverySettingBounds: deliveryBounds } = rest;
const sighting = defaultSightingPolicy;
const delivery = defaultDeliveryPolicy;

/** What becomes of a track. The cloud may desire some of it otherwise. */
export const sightingSchema = z
  .object({
    minimumQuality: sightingBounds.minimumQuality.default(sighting.minimumQuality),
    bestShots: sightingBounds.bestShots.default(sighting.bestShots),
    confirmAfterFrames: sightingBounds.confirmAfterFrames.default(sighting.confirmAfterFrames),
    closeAfterMs: sightingBounds.closeAfterMs.default(sighting.closeAfterMs),
    cooldownMs: z.number().int().min(0).max(600_000).default(sighting.cooldownMs),
    shotSpacingMs: sightingBounds.shotSpacingMs.default(sighting.shotSpacingMs),
    openAfterShots: sightingBounds.openAfterShots.default(sighting.openAfterShots),
    openAfterMs: sightingBounds.openAfterMs.default(sighting.openAfterMs),
    updateGain: sightingBounds.updateGain.default(sighting.updateGain),
    updateIntervalMs: sightingBounds.updateIntervalMs.default(sighting.updateIntervalMs),
  })
  .strict();

/** How records travel. The cloud may desire some of it otherwise. */
export const deliverySchema = z
  .object({
    maximumWindow: deliveryBounds.maximumWindow.default(delivery.maximumWindow),
    maximumBatchRecords: deliveryBounds.maximumBatchRecords.default(delivery.maximumBatchRecords),
    maximumBatchBytes: deliveryBounds.maximumBatchBytes.default(delivery.maximumBatchBytes),
    acknowledgementTimeoutMs: deliveryBounds.acknowledgementTimeoutMs.default(delivery.acknowledgementTimeoutMs),
    identificationBoundMs: z
      .number()
      .int()
      .min(100)
      .default(10_000)
      .describe('An identification of an older record is not acted upon.'),
  })
  .strict();

/** Everything that the agent is told. What has a default may be left out. */
export const edgeAgentConfigSchema = z
  .object({
    dataDirectory: z.string().min(1).describe('Outbox and releases. One agent alone may use it.'),
    provisioning: rest.provisioningSchema,
    cameras: z
      .array(cameraSchema)
      .min(1)
      .refine((cameras) => new Set(cameras.map(({ id }) => id)).size === cameras.length, 'camera ids must differ'),
    actions: actionsSchema.describe('What the box does by itself when somebody was identified, or was not.'),
    cache: cacheSchema.describe('The people whom the box knows by itself.'),
    logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
    whenSourcesEnd: z
      .enum(['exit', 'idle'])
      .default('idle')
      .describe('exit: the agent ends once all sources have and the outbox is empty.'),
    sighting: sightingSchema.prefault({}),
    delivery: deliverySchema.prefault({}),
    uplink: uplinkSchema,
    outbox: z
      .object({
        commitDelayMs: z.number().min(0).max(1000).default(20),
        groupSize: z.number().int().min(1).max(10_000).default(500),
        queueLimit: z
          .number()
          .int()
          .min(1)
          .default(10_000)
          .describe('Records that may wait in memory while the disk is full; of more, the oldest go.'),
        maximumBytes: z
          .number()
          .int()
          .min(1024 * 1024)
          .default(1024 * 1024 * 1024)
          .describe('Of the file. Once it is full, superseded revisions go first, then the oldest records.'),
      })
      .strict()
      .prefault({}),
    recognition: z
      .object({
        workers: z.number().int().min(1).max(64).default(1),
        providers: z.array(z.string().min(1)).min(1).default(['cpu']),
      })
      .strict()
      .prefault({}),
    update: updateSchema.describe('How the box takes a new release.'),
    localApi: localApiSchema,
    memory: memorySchema,
    stopTimeoutMs: z.number().int().min(0).max(600_000).default(5000).describe('For closing and sending at a stop.'),
  })
  .strict();

export type EdgeAgentConfig = z.output<typeof edgeAgentConfigSchema>;
/** As it is written to a file; there `provisioningFile` takes the place of `provisioning`. */
export type EdgeAgentConfigInput = z.input<typeof edgeAgentConfigSchema>;

/**
 * Checks a configuration.
 *
 * @throws AppError `CONFIG.INVALID` naming every bad key
 */
export function parseEdgeAgentConfig(document: unknown): EdgeAgentConfig {
  return parseConfiguration(edgeAgentConfigSchema, document);
}
