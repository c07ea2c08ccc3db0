import { z } from 'zod';

/** A value at the first and at the last frame of a pass; linear in between. */
function rangeSchema(minimum: number, maximum: number) {
  const value = z.number().min(minimum).max(maximum);
  return z.tuple([value, value]);
}

const motionSchema = z
  .object({
    x: rangeSchema(-1, 2).default([0.5, 0.5]).describe('Centre of the crop, in widths of the frame.'),
    y: rangeSchema(-1, 2).default([0.5, 0.5]).describe('Centre of the crop, in heights of the frame.'),
    height: rangeSchema(0.05, 4).default([0.8, 0.8]).describe('Height of the crop, in heights of the frame: the zoom.'),
    rotation: rangeSchema(-180, 180).default([0, 0]).describe('Clockwise, degrees.'),
    brightness: rangeSchema(0, 4).default([1, 1]).describe('Factor on every pixel.'),
    blur: rangeSchema(0, 20).default([0, 0]).describe('Sigma of a Gaussian, pixels of the frame.'),
    sway: z.number().min(0).max(40).default(0).describe('Seeded unsteadiness of the camera, pixels.'),
  })
  .strict();

const passSchema = z
  .object({
    id: z.string().min(1).max(100),
    label: z.string().max(100).describe('Goes into the journal of the truth as it is.'),
    photo: z.string().min(1).describe('Path of the photo; a relative one starts at the script’s folder.'),
    crop: z
      .object({
        left: z.number().int().min(0),
        top: z.number().int().min(0),
        width: z.number().int().min(8).max(8192),
        height: z.number().int().min(8).max(8192),
      })
      .strict()
      .describe('One person, in pixels of the upright photo.'),
    frames: z.number().int().min(1).max(100_000),
    gapFrames: z.number().int().min(0).max(100_000).optional().describe('Instead of the script’s.'),
    motion: motionSchema.prefault({}),
    jpegQuality: z.number().int().min(1).max(100).default(85).describe('Each frame is compressed and read again.'),
  })
  .strict();

/**
 * What the demo camera plays: passes of one person each, one after the other, with empty frames after each.
 * The gaps must be longer than the agent's `closeAfterMs`, or two passes become one track.
 */
export const demoScriptSchema = z
  .object({
    formatVersion: z.literal(1),
    seed: z.number().int().min(0).max(0xffff_ffff),
    framesPerSecond: z.number().min(0.1).max(60).default(10).describe('Of the stream’s own time.'),
    width: z.number().int().min(64).max(4096).default(640),
    height: z.number().int().min(64).max(4096).default(480),
    gapFrames: z.number().int().min(1).max(100_000).default(15),
    passes: z.array(passSchema).min(1).max(10_000),
  })
  .strict()
  .refine(({ passes }) => new Set(passes.map(({ id }) => id)).size === passes.length, {
    path: ['passes'],
    error: 'pass ids must differ',
  });

/** A script as it is written to a file: what has a default may be left out. */
export type DemoScriptInput = z.input<typeof demoScriptSchema>;
export type DemoScript = z.output<typeof demoScriptSchema>;
export type DemoPass = DemoScript['passes'][number];

/** One line of the journal of the truth. A pass that was cut short has a start and no end. */
export const demoTruthSchema = z.object({
  event: z.enum(['started', 'ended']),
  cameraId: z.string(),
  passId: z.string(),
  label: z.string(),
  wallMs: z.number().describe('Started: before the first frame is captured; ended: after the last one was.'),
});
export type DemoTruth = z.infer<typeof demoTruthSchema>;

/** The shortest gap after a pass, ms of the stream's own time. */
export function shortestGapMs(script: DemoScript): number {
  const gaps = script.passes.slice(0, -1).map(({ gapFrames }) => gapFrames ?? script.gapFrames);
  return (Math.min(...gaps) * 1000) / script.framesPerSecond;
}
