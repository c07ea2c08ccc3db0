import { z } from 'zod';

import { defaultPresentationPolicy } from '../pipeline/presentation.js';

/** Whether a camera looks for presentation attacks: docs/presentation-attacks.md says what that is worth. */
export const presentationSchema = z
  .object({
    mode: z
      .enum(['off', 'report', 'require'])
      .default(defaultPresentationPolicy.mode)
      .describe('report: sightings say how live they look. require: nobody is identified who looks less.'),
    minimumLiveScore: z
      .number()
      .gt(0)
      .max(1)
      .default(defaultPresentationPolicy.minimumLiveScore)
      .describe('What require asks for, of the lowest-scored shot.'),
  })
  .strict()
  .prefault({});
