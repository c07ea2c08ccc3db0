import { z } from 'zod';

import { pageOf, pageQuerySchema, slugSchema, timestampSchema, uuidSchema } from './common.js';
import { purposeSchema } from './consents.js';

/** Largest sealed image, bytes: a crop takes a twentieth of it. */
export const SEALED_IMAGE_BYTES = 256 * 1024;

/** Decisions whose images may be kept: of a sighting that is not identified at all nothing is. */
const imageOutcomes = ['identified', 'ambiguous', 'unknown'] as const;
export type ImageOutcome = (typeof imageOutcomes)[number];

export const imageDigestSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, '64 lower-case hexadecimal digits')
  .describe('SHA-256 of the sealed image.');

export const putImageSiteSchema = z
  .object({
    enabled: z
      .boolean()
      .describe('Off: boxes delete what waits to be uploaded. What is stored stays until it expires.'),
    outcomes: z
      .array(z.enum(imageOutcomes))
      .min(1)
      .max(imageOutcomes.length)
      .default(['ambiguous', 'unknown'])
      .describe('Decisions whose images are kept; of all others the bytes are deleted on the box.'),
    purpose: purposeSchema
      .nullable()
      .default(null)
      .describe('Keep images of named people only where they may be matched for this. Null: wherever they are named.'),
    minimumQuality: z.number().min(0).max(1).default(0.4).describe('A sighting whose best shot is worse leaves none.'),
    sampleRate: z.number().min(0.001).max(1).default(1).describe('The part of the sightings that leave an image.'),
    maximumBytesPerDay: z
      .number()
      .int()
      .min(SEALED_IMAGE_BYTES)
      .max(2_000_000_000)
      .default(50_000_000)
      .describe('What one box uploads at most from midnight to midnight, UTC.'),
  })
  .strict()
  .meta({ id: 'PutImageSite' });
export type PutImageSite = z.infer<typeof putImageSiteSchema>;

export const imageSiteSchema = z
  .object({
    siteId: slugSchema,
    enabled: z.boolean(),
    outcomes: z.array(z.enum(imageOutcomes)),
    purpose: purposeSchema.nullable(),
    minimumQuality: z.number(),
    sampleRate: z.number(),
    maximumBytesPerDay: z.number().int(),
    changedAt: timestampSchema,
  })
  .meta({ id: 'ImageSite' });
export type ImageSite = z.infer<typeof imageSiteSchema>;

export const imageSiteListSchema = z.object({ items: z.array(imageSiteSchema) }).meta({ id: 'ImageSiteList' });
export type ImageSiteList = z.infer<typeof imageSiteListSchema>;

export const rotateImageKeySchema = z
  .object({
    publicKey: z
      .base64()
      .refine((text) => /^[A-Za-z0-9+/]{43}=$/.test(text), 'base64 of 32 bytes')
      .optional()
      .describe(
        'A public key on X25519 whose private half you keep: the service stores images and can never open them. Default: a new pair, kept here.',
      ),
  })
  .strict()
  .meta({ id: 'RotateImageKey' });
export type RotateImageKey = z.infer<typeof rotateImageKeySchema>;

export const imageKeySchema = z
  .object({
    keyId: z.string(),
    publicKey: z.string().describe('X25519, base64 of 32 bytes.'),
    external: z.boolean().describe('The private key is kept elsewhere.'),
    state: z.enum(['current', 'superseded', 'retired']).describe('retired: its private key is destroyed.'),
    images: z.number().int().describe('Stored images that are sealed to it.'),
    createdAt: timestampSchema,
    supersededAt: timestampSchema.nullable(),
  })
  .meta({ id: 'ImageKey' });
export type ImageKey = z.infer<typeof imageKeySchema>;

export const imageKeyListSchema = z
  .object({ items: z.array(imageKeySchema).describe('Newest first.') })
  .meta({ id: 'ImageKeyList' });
export type ImageKeyList = z.infer<typeof imageKeyListSchema>;

export const sealedImageSchema = z
  .object({
    digest: imageDigestSchema,
    sightingId: uuidSchema,
    deviceId: slugSchema,
    siteId: slugSchema,
    outcome: z.enum(imageOutcomes).describe('Of the decision that the image was kept for.'),
    bytes: z.number().int().describe('Of the sealed image.'),
    keyId: z.string().describe('The key that it is sealed to.'),
    seenAt: timestampSchema.describe('When the sighting was last in view.'),
    storedAt: timestampSchema,
  })
  .meta({ id: 'SealedImage' });
export type SealedImage = z.infer<typeof sealedImageSchema>;

export const sealedImagePageSchema = pageOf(sealedImageSchema, 'SealedImagePage');
export type SealedImagePage = z.infer<typeof sealedImagePageSchema>;

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const sealedImageQuerySchema = pageQuerySchema
  .extend({
    sightingId: uuidSchema.optional(),
    siteId: slugSchema.optional(),
    from: timestampSchema.optional().describe('Stored then or later.'),
    to: timestampSchema.optional().describe('Stored before.'),
  })
  .strict();
export type SealedImageQuery = z.infer<typeof sealedImageQuerySchema>;

export const openImageSchema = z
  .object({
    purpose: z.enum(['review', 'incident', 'quality', 'labelling']).describe('What it is looked at for.'),
    reason: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/, 'a number or an id, without blanks')
      .describe('The case or ticket that it is looked at for. It goes to the audit: no names.'),
  })
  .strict()
  .meta({ id: 'OpenImage' });
export type OpenImage = z.infer<typeof openImageSchema>;
