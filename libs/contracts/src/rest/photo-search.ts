import { z } from 'zod';

import { labelSchema, pageOf, slugSchema, timestampSchema, uuidSchema } from './common.js';
import { identifiedFaceSchema } from './identification.js';
import { sightingSchema } from './sightings.js';

export const searchPurposes = [
  ...(['incident', 'missing-person', 'lost-property', 'data-subject-request'] as const),
  ...(['quality-assurance', 'other'] as const),
] as const;

const fields = {
  purpose: z.enum(searchPurposes),
  reason: labelSchema.describe('Why, in a sentence; kept sealed, and shown in the list of searches.'),
  from: timestampSchema.optional().describe('Only sightings that began then or later.'),
  to: timestampSchema.optional().describe('Only sightings that began before.'),
  siteId: slugSchema.optional(),
  deviceId: slugSchema.optional(),
  cameraId: z.string().min(1).max(100).optional(),
  falsePositiveRate: z.coerce
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe(
      'FPIR: how often a search for somebody who is in none of the sightings may find one all the same. Default: as the decision policy has it for photo-search.',
    ),
  limit: z.coerce.number().int().min(1).max(500).default(50).describe('Sightings in the answer; the others by paging.'),
};

/** What comes beside a photo, in a form. */
export const photoSearchFieldsSchema = z
  .object({
    ...fields,
    face: z
      .enum(['only', 'largest'])
      .default('only')
      .describe('Of a photo of several faces: refuse it (only), or take the largest.'),
  })
  .strict();

/** A search without a photo. */
export const searchRequestSchema = z.union([
  z.object({ sightingId: uuidSchema.describe('Whose probe is searched with.'), ...fields }).strict(),
  z.object({ personId: uuidSchema.describe('Whose templates are searched with.'), ...fields }).strict(),
]);
export type SearchRequest = z.output<typeof searchRequestSchema>;
export type SearchFields = Omit<z.output<typeof photoSearchFieldsSchema>, 'face'>;

const notSearchedSchema = z.object({
  reason: z
    .enum(['model-space', 'template-key', 'purpose', 'unreadable', 'limit', 'time'])
    .describe(
      'model-space, template-key: may not be compared with what is searched. purpose: of people who may not be matched for photo-search. unreadable: does not open any more. limit, time: beyond what one search takes.',
    ),
  probes: z.number().int(),
});

const searchFactsSchema = z.object({
  probesSearched: z.number().int().describe('Kept probes of sightings that were compared.'),
  notSearched: z.array(notSearchedSchema).describe('Kept probes within the filters that were not; by reason.'),
  sightingsFound: z.number().int().describe('At the bar or above; the best 1,000 of them are listed.'),
  peopleFound: z.number().int().nullable().describe('Candidates above the bar of identification; null: not asked.'),
  threshold: z.number(),
  falseMatchRate: z.number().describe('Of one comparison, at that threshold.'),
  falsePositiveRate: z.number().nullable().describe('Of the search, as it was asked for.'),
  calibrationLimited: z
    .boolean()
    .describe('The calibration was not measured that far: the threshold is the one at its end.'),
  durationMs: z.number(),
});
export type SearchFacts = z.infer<typeof searchFactsSchema>;

export const searchSchema = z
  .object({
    id: uuidSchema,
    searchedAt: timestampSchema,
    actor: z.string(),
    purpose: z.enum(searchPurposes),
    reason: z.string(),
    with: z.enum(['photo', 'sighting', 'person']),
    state: z.enum(['running', 'done', 'failed']).describe('failed: cancelled, too, or its process died.'),
    facts: searchFactsSchema.nullable().describe('Null unless done.'),
    resultsUntil: timestampSchema.describe('How long its sightings can be paged through.'),
  })
  .meta({ id: 'Search' });
export type Search = z.infer<typeof searchSchema>;

export const searchPageSchema = pageOf(searchSchema, 'SearchPage');
export type SearchPage = z.infer<typeof searchPageSchema>;

const foundSightingSchema = z.object({
  score: z.number().describe('Cosine similarity of its probe, -1 to 1.'),
  sighting: sightingSchema,
});

export const foundSightingPageSchema = z
  .object({
    items: z.array(foundSightingSchema).describe('Best first. What was erased or deleted meanwhile is left out.'),
    nextAfter: z.number().int().nullable(),
  })
  .meta({ id: 'FoundSightingPage' });
export type FoundSightingPage = z.infer<typeof foundSightingPageSchema>;

export const foundSightingQuerySchema = z
  .object({
    limit: z.coerce.number().int().min(1).max(500).default(50),
    after: z.coerce.number().int().min(0).max(1000).default(0).describe('Those behind this place.'),
  })
  .strict();
export type FoundSightingQuery = z.output<typeof foundSightingQuerySchema>;

const foundPeopleSchema = identifiedFaceSchema.omit({ box: true, quality: true }).meta({ id: 'FoundPeople' });

export const searchResultSchema = z
  .object({
    search: searchSchema,
    people: foundPeopleSchema
      .nullable()
      .describe('As identify answers for the photo or the sighting; null where a person was searched with.'),
    sightings: foundSightingPageSchema,
  })
  .meta({ id: 'SearchResult' });
export type SearchResult = z.infer<typeof searchResultSchema>;
