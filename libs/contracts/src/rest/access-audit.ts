import { z } from 'zod';

import { pageOf, pageQuerySchema, timestampSchema } from './common.js';

const hashSchema = z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256 in lower-case hexadecimal');
const sequenceSchema = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const wordSchema = z.string().regex(/^[\x21-\x7e]{1,200}$/, 'printable ASCII without blanks');

export const auditEntrySchema = z
  .object({
    sequence: z.number().int().describe('Without gaps, from 1.'),
    at: timestampSchema,
    actor: z
      .string()
      .describe('`key:` and the id of an API key, `jwt:` and the subject of a token, `system:` and a job.'),
    action: z.string(),
    subjectKind: z.string().nullable(),
    subjectId: z.string().nullable(),
    purpose: z.string().nullable().describe('What the client said by the header Sightline-Purpose.'),
    outcome: z.string().describe('`succeeded`, or the code of the error.'),
    previousHash: hashSchema,
    hash: hashSchema,
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof auditEntrySchema>;

export const auditPageSchema = pageOf(auditEntrySchema, 'AuditPage');
export type AuditPage = z.infer<typeof auditPageSchema>;

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const auditQuerySchema = pageQuerySchema
  .extend({
    actor: wordSchema.optional(),
    action: wordSchema.optional(),
    subjectId: wordSchema.optional(),
    from: timestampSchema.optional(),
    to: timestampSchema.optional(),
  })
  .strict();
export type AuditQuery = z.infer<typeof auditQuerySchema>;

export const auditHeadSchema = z
  .object({
    sequence: z.number().int().describe('Of the last entry; 0: there is none.'),
    hash: hashSchema.describe('Keep it where nobody of this installation can change it.'),
  })
  .meta({ id: 'AuditHead' });
export type AuditHead = z.infer<typeof auditHeadSchema>;

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const auditVerifyQuerySchema = z
  .object({
    from: sequenceSchema.default(1).describe('`next` of the part before.'),
    anchorSequence: sequenceSchema.optional().describe('A head that was kept outside.'),
    anchorHash: hashSchema.optional(),
  })
  .strict()
  .refine(({ anchorSequence, anchorHash }) => (anchorSequence === undefined) === (anchorHash === undefined), {
    path: ['anchorHash'],
    message: 'an anchor is a sequence and a hash',
  });
export type AuditVerifyQuery = z.infer<typeof auditVerifyQuerySchema>;

export const auditVerificationSchema = z
  .object({
    verified: z.number().int().describe('Entries of this part that are as they were written.'),
    next: z.number().int().nullable().describe('Where the next part begins; null: this was the last.'),
    head: auditHeadSchema,
    broken: z
      .object({
        sequence: z.number().int(),
        reason: z.enum(['missing', 'changed', 'unlinked', 'head', 'anchor']),
      })
      .nullable()
      .describe(
        'The first link that does not hold. missing: there is no such entry. changed: its hash is not its own. unlinked: it ' +
          'does not follow the one before. head: the chain ends elsewhere than its head. anchor: the kept head is another.',
      ),
  })
  .meta({ id: 'AuditVerification' });
export type AuditVerification = z.infer<typeof auditVerificationSchema>;
