import { isTimeZone, weekdays } from '@sightline/kernel';
import { z } from 'zod';

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day, HH:MM');

/** A time of every week: the fields that boxes and the cloud have in common. */
export const weeklyScheduleShape = {
  timeZone: z.string().refine(isTimeZone, 'must be a time zone of the IANA database, such as Europe/Berlin'),
  days: z
    .array(z.enum(weekdays))
    .min(1)
    .default([...weekdays])
    .describe('Local days on which the time begins.'),
  from: timeOfDay.describe('Local time of day, included.'),
  to: timeOfDay.describe('Local time of day, excluded. Earlier than from: on the next day.'),
} as const;

/** Whether a schedule is more than a moment. */
export const hasLength = ({ from, to }: { readonly from: string; readonly to: string }): boolean => from !== to;
