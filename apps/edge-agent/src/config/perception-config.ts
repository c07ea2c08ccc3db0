import { z } from 'zod';

import { defaultSparingPolicy } from '../sparing/search-schedule.js';

const { motionGate, detectionRate } = defaultSparingPolicy;

export const motionGateSchema = z
  .object({
    enabled: z.boolean().default(motionGate.enabled),
    restMs: z
      .number()
      .int()
      .min(100)
      .max(60_000)
      .default(motionGate.restMs)
      .describe('A picture in which nothing moves is searched this often all the same.'),
    threshold: z
      .number()
      .min(1)
      .max(64)
      .default(motionGate.threshold)
      .describe('By how many levels of 256 a part of the picture must change, above its noise.'),
  })
  .strict()
  .prefault({})
  .describe('Where nothing moves and nobody is followed, frames are not searched for faces.');

export const detectionSchema = z
  .object({
    tiles: z
      .object({
        columns: z.number().int().min(1).max(8),
        rows: z.number().int().min(1).max(8),
        overlap: z.number().min(0).max(0.5).default(0.15).describe('Part of a tile that its neighbour shows as well.'),
      })
      .strict()
      .optional()
      .describe('For wide scenes: the detector looks at parts of the frame too, each for the time of a whole one.'),
    steadyIntervalMs: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .default(detectionRate.steadyIntervalMs)
      .describe('Between two searches while everybody in view is known and stands; 0 searches every frame.'),
    maximumIntervalMs: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .default(detectionRate.maximumIntervalMs)
      .describe('As steadyIntervalMs, at most, while the box cannot keep up.'),
  })
  .strict()
  .prefault({});
