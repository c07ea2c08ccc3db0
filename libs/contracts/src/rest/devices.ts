import { z } from 'zod';

import { pageOf, slugSchema, timestampSchema } from './common.js';
import { revocationReasonSchema } from './device-certificates.js';

export const createDeviceSchema = z
  .object({ id: slugSchema, siteId: slugSchema })
  .strict()
  .meta({ id: 'CreateDevice' });
export type CreateDevice = z.infer<typeof createDeviceSchema>;

export const deviceSchema = z
  .object({
    id: slugSchema,
    siteId: slugSchema,
    online: z.boolean(),
    lastSeenAt: timestampSchema.nullable(),
    agentVersion: z.string().nullable(),
    provider: z.string().nullable().describe('Execution provider that the models really run on.'),
    release: z.object({ version: z.string(), digest: z.string(), modelSpace: z.string() }).nullable(),
    releaseUpdate: z
      .object({
        status: z.enum(['pending', 'applied', 'failed']),
        error: z.string().nullable().describe('Error code of why the box could not take it.'),
      })
      .nullable()
      .describe('How the box fares with the release that it is meant to run; null before it has said so.'),
    revoked: z
      .object({ at: timestampSchema, reason: revocationReasonSchema })
      .nullable()
      .describe('A revoked box is let in nowhere until it is enrolled anew.'),
    createdAt: timestampSchema,
  })
  .meta({ id: 'Device' });
export type Device = z.infer<typeof deviceSchema>;

export const devicePageSchema = pageOf(deviceSchema, 'DevicePage');
export type DevicePage = z.infer<typeof devicePageSchema>;

/** Each a path of a PEM file on the box, read again for every connection, or the PEM text itself. */
const mqttTlsSchema = z
  .object({
    ca: z.string().optional().describe('Who vouches for the broker. Default: the authorities that Node knows.'),
    certificate: z.string().optional().describe('What the box shows, with the chain up to its authority.'),
    key: z.string().optional(),
  })
  .refine(
    ({ certificate, key }) => (certificate === undefined) === (key === undefined),
    'certificate and key go together',
  );

/** Answer to a device's creation: what the box needs to join. The secrets are shown this once. */
export const provisioningSchema = z
  .object({
    tenantId: slugSchema,
    deviceId: slugSchema,
    siteId: slugSchema,
    mqtt: z.object({ url: z.string(), username: z.string(), password: z.string(), tls: mqttTlsSchema.optional() }),
    templateKey: z
      .object({ keyId: z.string(), epoch: z.number().int(), secret: z.string().describe('Base64, 32 bytes.') })
      .describe("The tenant's current template key."),
    release: z.object({
      repositoryUrl: z.string(),
      trustedRoot: z.string().describe('Base64 of the TUF root metadata to pin.'),
    }),
    gallery: z
      .object({
        signingKeyId: z.string(),
        signingKey: z.base64().describe('Base64 of the Ed25519 public key (SPKI, DER) by which deltas are signed.'),
      })
      .optional()
      .describe('What changes of the local cache are checked with. Without it the box keeps no local cache.'),
    enrolment: z
      .object({
        url: z
          .url({ protocol: /^https?$/ })
          .optional()
          .describe('Base address of the cloud API, as boxes reach it.'),
        token: z.string().optional().describe('Good for one certificate, until it expires.'),
        expiresAt: timestampSchema.optional(),
      })
      .optional()
      .describe('How the box gets its certificate, and later renews it.'),
  })
  .meta({ id: 'Provisioning' });
export type Provisioning = z.infer<typeof provisioningSchema>;
