import { z } from 'zod';

import {
  localDaySchema,
  pageOf,
  pageQuerySchema,
  slugSchema,
  timestampSchema,
  timeZoneSchema,
  uuidSchema,
} from './common.js';

const filterFields = {
  from: localDaySchema.describe('The first day.'),
  to: localDaySchema.describe('The last day; at most 93 days.'),
  timeZone: timeZoneSchema,
  site: slugSchema.optional().describe('Only sightings at this site.'),
  group: slugSchema.optional().describe('Only people of this group.'),
  personId: uuidSchema.optional(),
  absent: z
    .enum(['true', 'false'])
    .default('false')
    .describe('Whether those people of `group`, or the one of `personId`, are listed too who were not seen on a day.'),
  gapMinutes: z.coerce
    .number()
    .int()
    .min(1)
    .max(720)
    .default(30)
    .describe('Sightings with no more than this between them are one stay.'),
};

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const attendanceTableQuerySchema = z.object(filterFields).strict();
export type AttendanceTableQuery = z.output<typeof attendanceTableQuerySchema>;
export const attendanceQuerySchema = pageQuerySchema.extend(filterFields).strict();
export type AttendanceQuery = z.output<typeof attendanceQuerySchema>;

const seenSchema = z.object({ at: timestampSchema, siteId: slugSchema, deviceId: slugSchema, cameraId: z.string() });

export const attendanceDaySchema = z
  .object({
    day: z.iso.date().describe('Of the time zone that was asked for.'),
    person: z.object({ id: uuidSchema, name: z.string(), externalId: z.string().nullable() }),
    present: z.boolean().describe('Whether the person was seen that day.'),
    firstSeen: seenSchema.nullable(),
    lastSeen: seenSchema.nullable(),
    sightings: z.number().int(),
    presentMinutes: z.number().describe('Length of all stays together.'),
    stays: z
      .array(z.object({ from: timestampSchema, to: timestampSchema, sightings: z.number().int() }))
      .describe('Sightings without a longer gap than was asked for, earliest first, cut at the borders of the day.'),
  })
  .meta({ id: 'AttendanceDay' });
export type AttendanceDay = z.infer<typeof attendanceDaySchema>;

export const attendancePageSchema = pageOf(attendanceDaySchema, 'AttendancePage');
export type AttendancePage = z.infer<typeof attendancePageSchema>;

/** A line of the table: times are local, with their offset from UTC. */
export const attendanceLineSchema = z
  .object({
    day: z.iso.date(),
    personId: uuidSchema,
    name: z.string(),
    externalId: z.string().nullable(),
    present: z.enum(['yes', 'no']),
    firstSeen: z.string().nullable(),
    firstSite: slugSchema.nullable(),
    firstCamera: z.string().nullable(),
    lastSeen: z.string().nullable(),
    lastSite: slugSchema.nullable(),
    lastCamera: z.string().nullable(),
    sightings: z.number().int(),
    stays: z.number().int(),
    presentMinutes: z.number(),
  })
  .meta({ id: 'AttendanceLine' });
export type AttendanceLine = z.infer<typeof attendanceLineSchema>;
