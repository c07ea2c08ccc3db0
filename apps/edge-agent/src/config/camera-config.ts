import { rest } from '@sightline/contracts';
import { z } from 'zod';

import { detectionSchema, motionGateSchema } from './perception-config.js';
import { presentationSchema } from './presentation-config.js';

const part = z.number().min(0).max(1).describe('In parts of the frame’s width or height, 0 to 1.');
const polygonSchema = z
  .array(z.object({ x: part, y: part }).strict())
  .min(3)
  .max(100)
  .describe('Corners in order; the last is joined to the first. Relative, so that a change of resolution keeps it.');

/** A rectangle, as a polygon. */
const boxSchema = z
  .object({ x: part, y: part, width: part, height: part })
  .strict()
  .transform(({ x, y, width, height }) => [
    { x, y },
    { x: x + width, y },
    { x: x + width, y: y + height },
    { x, y: y + height },
  ])
  .pipe(polygonSchema);

const folderSourceSchema = z
  .object({
    kind: z.literal('folder'),
    directory: z.string().min(1),
    loop: z.boolean().default(false),
    framesPerSecond: z.number().min(0.01).max(120).default(5),
  })
  .strict();

const demoSourceSchema = z
  .object({
    kind: z.literal('demo'),
    script: z.string().min(1).describe('Path of the script, JSON.'),
    truthJournal: z.string().min(1).optional().describe('Where the truth is written, JSON lines.'),
    loop: z.boolean().default(false).describe('Start again after the last pass, for ever.'),
    resume: z.boolean().default(false).describe('Go on after the passes that the journal knows.'),
    framesPerSecond: z.number().min(0.01).max(1000).default(10).describe('Of real time, at most.'),
  })
  .strict();

/** What all sources have that FFmpeg reads. */
const videoKeys = {
  maximumFramesPerSecond: z
    .number()
    .min(0.1)
    .max(60)
    .default(10)
    .describe('Frames beyond it are decoded, but neither scaled nor looked at.'),
  maximumWidth: z.number().int().min(32).max(8192).default(1280).describe('A wider picture is made smaller, pixels.'),
  maximumHeight: z.number().int().min(32).max(8192).default(1280).describe('As maximumWidth; proportions are kept.'),
  rotateDegrees: z
    .literal([0, 90, 180, 270])
    .default(0)
    .describe('Turns the picture clockwise, after what the stream itself says of its orientation.'),
  stallAfterMs: z
    .number()
    .int()
    .min(1000)
    .max(600_000)
    .default(10_000)
    .describe('Without a frame for so long FFmpeg is ended and started again. The first frame has 15 s at least.'),
};

const rtspSourceSchema = z
  .object({
    kind: z.literal('rtsp'),
    url: z.url({ protocol: /^rtsps?$/ }).describe('With user and password where needed; both percent-encoded.'),
    transport: z.enum(['tcp', 'udp']).default('tcp').describe('udp loses packets, and so parts of pictures.'),
    ...videoKeys,
  })
  .strict();

const mjpegSourceSchema = z
  .object({
    kind: z.literal('mjpeg'),
    url: z.url({ protocol: /^https?$/ }).describe('With user and password where needed; both percent-encoded.'),
    ...videoKeys,
  })
  .strict();

const v4l2SourceSchema = z
  .object({
    kind: z.literal('v4l2'),
    device: z.string().min(1).describe('/dev/video0, or better a link below /dev/v4l/by-id.'),
    inputFormat: z
      .string()
      .regex(/^[a-z0-9_]+$/)
      .optional()
      .describe('What the device is asked for: mjpeg, yuyv422, h264, … The device chooses when absent.'),
    captureSize: z
      .string()
      .regex(/^\d{2,4}x\d{2,4}$/)
      .optional()
      .describe('The resolution that the device is asked for: 1280x720, … The device chooses when absent.'),
    ...videoKeys,
  })
  .strict();

const fileSourceSchema = z
  .object({
    kind: z.literal('file'),
    path: z.string().min(1).describe('A video file; played in real time.'),
    loop: z.boolean().default(false).describe('Start again after the end, for ever.'),
    ...videoKeys,
  })
  .strict();

export const cameraSchema = z
  .object({
    id: rest.slugSchema,
    source: z.discriminatedUnion('kind', [
      rtspSourceSchema,
      mjpegSourceSchema,
      v4l2SourceSchema,
      fileSourceSchema,
      folderSourceSchema,
      demoSourceSchema,
    ]),
    privacyZones: z
      .array(polygonSchema)
      .max(100)
      .default([])
      .describe('Painted black before anything looks at the frame. Every pixel that a zone touches is.'),
    regionOfInterest: z
      .union([boxSchema, polygonSchema])
      .optional()
      .describe('Faces whose centre lies outside are ignored: a polygon, or a box { x, y, width, height }.'),
    presentationAttack: presentationSchema,
    motionGate: motionGateSchema,
    detection: detectionSchema,
  })
  .strict();
export type CameraConfig = z.output<typeof cameraSchema>;

/** A source that FFmpeg reads. */
export type VideoSourceConfig = Extract<CameraConfig['source'], { maximumFramesPerSecond: number }>;
