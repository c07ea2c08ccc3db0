import { z } from 'zod';

import { timestampSchema } from './common.js';

/** PKCS #10, PEM: one of P-256 is below 1 KiB. */
const certificateRequestSchema = z
  .string()
  .max(8192)
  .regex(/^\s*-----BEGIN CERTIFICATE REQUEST-----/, 'a certificate request, PEM')
  .describe('PKCS #10, PEM, of an ECDSA key on P-256. Who it is for follows from what authorises it.');

export const enrolCertificateSchema = z
  .object({
    token: z.string().min(1).max(200).describe('The enrolment token of POST /v1/devices: good for one key.'),
    certificateRequest: certificateRequestSchema,
  })
  .strict()
  .meta({ id: 'EnrolCertificate' });
export type EnrolCertificate = z.infer<typeof enrolCertificateSchema>;

export const renewCertificateSchema = z
  .object({
    serialNumber: z
      .string()
      .regex(/^[0-9a-f]{2,40}$/i, 'hexadecimal')
      .describe('Of the certificate in use.'),
    certificateRequest: certificateRequestSchema,
    proof: z
      .base64()
      .max(1024)
      .describe(
        'Base64 of the ECDSA signature (SHA-256, DER), by the key of the certificate in use, over ' +
          '"sightline/certificate-renewal/v1", the serial number in lower case and the DER of the request, with a line feed ' +
          'after each of the first two.',
      ),
  })
  .strict()
  .meta({ id: 'RenewCertificate' });
export type RenewCertificate = z.infer<typeof renewCertificateSchema>;

/** Answer to an enrolment and to a renewal. */
export const issuedCertificateSchema = z
  .object({
    certificate: z.string().describe('PEM. Its common name is the MQTT user name, {tenant}/{device}.'),
    authorities: z.string().describe('PEM: who vouches for the broker, one or more.'),
    renewAfter: timestampSchema.describe('From then on it should be renewed.'),
    expiresAt: timestampSchema,
  })
  .meta({ id: 'IssuedCertificate' });
export type IssuedCertificate = z.infer<typeof issuedCertificateSchema>;

export const revocationReasonSchema = z.enum(['lost', 'stolen', 'retired', 'unspecified']);
export type RevocationReason = z.infer<typeof revocationReasonSchema>;

export const revokeDeviceSchema = z
  .object({ reason: revocationReasonSchema.default('unspecified') })
  .strict()
  .meta({ id: 'RevokeDevice' });
export type RevokeDevice = z.infer<typeof revokeDeviceSchema>;

export const deviceCertificateListSchema = z
  .object({
    items: z.array(
      z.object({
        serialNumber: z.string(),
        notBefore: timestampSchema,
        notAfter: timestampSchema,
        issuedBy: z.enum(['enrolment', 'renewal']),
        issuedAt: timestampSchema,
        revoked: z
          .object({
            at: timestampSchema,
            reason: z.string().describe('superseded: by its renewals; re-enrolled; otherwise why the box was revoked.'),
          })
          .nullable(),
      }),
    ),
  })
  .meta({ id: 'DeviceCertificateList' });
export type DeviceCertificateList = z.infer<typeof deviceCertificateListSchema>;
