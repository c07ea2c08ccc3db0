import { z } from 'zod';

import { timestampSchema } from './common.js';

export const galleryRebuildSchema = z
  .object({
    state: z.enum(['requested', 'running', 'done', 'failed']),
    progress: z.number().min(0).max(1).describe('Share of the templates that are in the new gallery.'),
    requestedAt: timestampSchema.nullable().describe('Null: it was needed, and nobody had to ask.'),
    finishedAt: timestampSchema.nullable(),
  })
  .meta({ id: 'GalleryRebuild' });

export const galleryFollowerIdSchema = z.string().regex(/^[a-z0-9-]{1,64}$/);

export const galleryFollowerSchema = z
  .object({
    id: galleryFollowerIdSchema.describe('A process with a gallery of its own, or a gallery that processes share.'),
    kind: z.enum(['flat', 'qdrant']),
    version: z.number().int().nullable().describe('Every change up to here is in it. Null: it is not filled yet.'),
    behind: z.number().int().describe('Changes that it has not followed yet.'),
    seenAt: timestampSchema,
    rebuild: galleryRebuildSchema.nullable().describe('The last one.'),
  })
  .meta({ id: 'GalleryFollower' });
export type GalleryFollower = z.infer<typeof galleryFollowerSchema>;

export const galleryStateSchema = z
  .object({
    version: z.number().int().describe('The last change of the gallery.'),
    followers: z.array(galleryFollowerSchema),
  })
  .meta({ id: 'GalleryState' });
export type GalleryState = z.infer<typeof galleryStateSchema>;
