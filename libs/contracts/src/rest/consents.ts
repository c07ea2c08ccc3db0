import { z } from 'zod';

import { labelSchema, timestampSchema, uuidSchema } from './common.js';

/** What somebody may be recognised for. */
export const purposes = ['access', 'attendance', 'photo-search', 'watch-list'] as const;
export const purposeSchema = z.enum(purposes);
export type Purpose = z.infer<typeof purposeSchema>;

export const legalBasisSchema = z
  .enum(['consent', 'contract', 'legal-obligation', 'vital-interests', 'public-task', 'legitimate-interests'])
  .describe('As in Article 6(1) of the GDPR. Biometric data want an exception of Article 9(2) as well.');
export type LegalBasis = z.infer<typeof legalBasisSchema>;

export const recordConsentSchema = z
  .object({
    purpose: purposeSchema,
    legalBasis: legalBasisSchema,
    givenAt: timestampSchema.optional().describe('Default: now.'),
    expiresAt: timestampSchema.nullable().optional(),
    evidence: labelSchema
      .optional()
      .describe('Where the evidence lies, such as the number of a form. It is kept sealed.'),
  })
  .strict()
  .refine(({ givenAt, expiresAt }) => !givenAt || !expiresAt || expiresAt > givenAt, 'it expires after it was given')
  .meta({ id: 'RecordConsent' });
export type RecordConsent = z.infer<typeof recordConsentSchema>;

export const consentSchema = z
  .object({
    id: uuidSchema,
    purpose: purposeSchema,
    legalBasis: legalBasisSchema,
    givenAt: timestampSchema,
    expiresAt: timestampSchema.nullable(),
    withdrawnAt: timestampSchema.nullable(),
    evidence: z.string().nullable(),
    recordedAt: timestampSchema,
  })
  .meta({ id: 'Consent' });
export type Consent = z.infer<typeof consentSchema>;

export const consentsSchema = z
  .object({
    permitted: z.array(purposeSchema).describe('What the person may be matched for now.'),
    consents: z.array(consentSchema).describe('Newest first.'),
  })
  .meta({ id: 'Consents' });
export type Consents = z.infer<typeof consentsSchema>;

export const consentPolicySchema = z
  .object({
    required: z
      .array(purposeSchema)
      .max(purposes.length)
      .describe('Purposes for which nobody is matched without a valid record.'),
  })
  .strict()
  .meta({ id: 'ConsentPolicy' });
export type ConsentPolicy = z.infer<typeof consentPolicySchema>;
