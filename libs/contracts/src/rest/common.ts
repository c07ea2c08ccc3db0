import { isTimeZone } from '@sightline/kernel';
import { z } from 'zod';

/** RFC 9457 problem document, with our stable code. Media type application/problem+json. */
export const problemSchema = z
  .object({
    type: z.string().describe('A URI that names the problem: urn:sightline:error:{code}.'),
    title: z.string(),
    status: z.number().int(),
    code: z.string().describe('Stable error code, AREA.REASON.'),
    detail: z.string(),
    retryable: z.boolean().describe('Whether the same request may succeed later.'),
    retryAfterSeconds: z
      .number()
      .int()
      .optional()
      .describe('How long to wait before that: what the header Retry-After says, with status 429 and 503.'),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('What does not fit, by field.'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problemSchema>;

/** Query of every paged list: newest first, an opaque cursor. */
export const pageQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(200).optional().describe('`nextCursor` of the page before.'),
});

/** A page of `item`. */
export function pageOf<Item extends z.ZodType>(item: Item, id: string) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() }).meta({ id });
}

export const slugSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, 'lower-case letters, digits and inner hyphens, at most 64');
export const uuidSchema = z.uuid();
export const timestampSchema = z.iso
  .datetime()
  // RFC 3339 has a year 0000. The calendar of PostgreSQL does not.
  .refine((time) => !time.startsWith('0000'), 'a year from 0001')
  .describe('RFC 3339, UTC.');

/** A name in any script, on one line. PostgreSQL stores neither U+0000 nor half of a surrogate pair. */
export const labelSchema = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), 'no control characters and no unpaired surrogates');

/** A day by the calendar of a time zone, YYYY-MM-DD. */
export const localDaySchema = z.iso.date().refine((day) => day >= '1970', 'a day from 1970');
export const timeZoneSchema = z
  .string()
  .max(64)
  .refine(isTimeZone, 'a time zone of the IANA data base, such as Europe/Berlin')
  .default('UTC')
  .describe('Where days begin and end: a name of the IANA data base.');
