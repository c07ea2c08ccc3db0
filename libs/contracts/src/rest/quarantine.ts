import { z } from 'zod';

import { pageOf, slugSchema, timestampSchema, uuidSchema } from './common.js';

/** Something that a device sent and that could not be read. Its bytes are kept, and not shown: they may hold templates. */
export const quarantinedSchema = z
  .object({
    id: uuidSchema,
    deviceId: slugSchema,
    streamId: uuidSchema.nullable().describe('Null when not even the batch could be read.'),
    sequence: z.number().int().nullable(),
    code: z.string().describe('Stable error code, AREA.REASON.'),
    detail: z.string(),
    bytes: z.number().int(),
    sha256: z.string(),
    receivedAt: timestampSchema,
  })
  .meta({ id: 'Quarantined' });
export type Quarantined = z.infer<typeof quarantinedSchema>;

export const quarantinePageSchema = pageOf(quarantinedSchema, 'QuarantinePage');
export type QuarantinePage = z.infer<typeof quarantinePageSchema>;
