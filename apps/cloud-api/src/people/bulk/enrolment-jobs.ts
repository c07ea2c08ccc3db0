import { rest } from '@sightline/contracts';
import { defineJob, defineTrigger, type JobKind } from '@sightline/jobs';
import { isSlug, type TenantId } from '@sightline/kernel';
import { z } from 'zod';

const enrolmentSchema = z.object({
  tenantId: z
    .string()
    .refine(isSlug)
    .transform((id) => id as TenantId),
  id: rest.uuidSchema,
});

export type EnrolmentJob = z.output<typeof enrolmentSchema>;

/** Enrols the rows of one enrolment that are not done yet. */
export const enrolmentJob: JobKind<EnrolmentJob> = defineJob('enrolment', (data) => enrolmentSchema.parse(data));

/** Looks for enrolments that nobody works on, and for files that are of no use any more. */
export const enrolmentUpkeep = defineTrigger('enrolment-upkeep');
