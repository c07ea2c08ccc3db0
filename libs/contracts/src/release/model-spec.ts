import { z } from 'zod';

/** How pixels become the input tensor, [1, channels, height, width] float32: (value − mean) / scale. */
export const inputSpecSchema = z.object({
  width: z.number().int().positive().max(4096),
  height: z.number().int().positive().max(4096),
  channels: z.enum(['rgb', 'bgr', 'grey']),
  mean: z.array(z.number()).describe('One value, or one a channel in the order of `channels`; values 0 to 255.'),
  scale: z.array(z.number().positive()),
});

export const detectorSpecSchema = z.object({
  decoder: z.enum(['ssd-decoded', 'yunet']),
  input: inputSpecSchema,
  fit: z
    .enum(['stretch', 'contain'])
    .default('stretch')
    .describe('How a frame fills the input: stretched, or scaled evenly from the upper left corner.'),
  scoreThreshold: z.number().min(0).max(1),
  nmsThreshold: z.number().min(0).max(1).describe('Intersection over union above which the weaker box goes.'),
});

const pointSchema = z.tuple([z.number(), z.number()]);

/**
 * The crop decides how well a landmark model sees: the default one follows its crop instead of the face when the
 * face lies low in it. So the first look is where the detector's box is, and the second where the first found
 * the face, as large, as high and as upright in its crop as in every other.
 */
export const landmarksSpecSchema = z.object({
  decoder: z.literal('points-68'),
  input: inputSpecSchema,
  crop: z
    .object({
      scale: z.number().positive().max(8).describe('Side of the square, in heights of the box.'),
      down: z.number().min(-2).max(2).describe("How far its centre lies below the box's, in heights of the box."),
    })
    .describe('What the model sees first.'),
  refinement: z
    .object({
      centre: pointSchema,
      side: z.number().positive().max(4096),
      views: z
        .array(z.enum(['plain', 'mirrored']))
        .min(1)
        .describe('Their points are averaged.'),
    })
    .optional()
    .describe('What it sees of the face that was found first: a square in pixels of the aligned face.'),
});

export const embedderSpecSchema = z.object({
  input: inputSpecSchema,
  dimension: z.number().int().positive().max(4096),
  alignmentTemplate: z
    .tuple([pointSchema, pointSchema, pointSchema, pointSchema, pointSchema])
    .describe('Where the five points lie in the input, pixels.'),
  centre: z
    .array(z.number())
    .optional()
    .describe(
      'What all faces have in common, `dimension` numbers: taken out of every embedding of length one, which is then ' +
        'brought to length one again. Changing it makes another model space.',
    ),
});

export const presentationAttackSpecSchema = z.object({
  input: inputSpecSchema,
  cropScale: z
    .number()
    .positive()
    .describe("Sides of the crop over those of the detector's box; at most the frame's, and moved into the frame."),
  liveIndex: z.number().int().min(0).describe('The output of a living face. The outputs are taken for logits.'),
});

export type InputSpec = z.infer<typeof inputSpecSchema>;
export type DetectorSpec = z.infer<typeof detectorSpecSchema>;
export type LandmarksSpec = z.infer<typeof landmarksSpecSchema>;
export type EmbedderSpec = z.infer<typeof embedderSpecSchema>;
export type PresentationAttackSpec = z.infer<typeof presentationAttackSpecSchema>;
