import { z } from 'zod';

import { labelSchema, pageQuerySchema, slugSchema } from './common.js';

/** Without a name of its own: OpenAPI lists a query's fields one by one. */
export const searchPeopleQuerySchema = pageQuerySchema.extend({
  name: labelSchema
    .optional()
    .describe('Whole words of the name, in any order; case and accents do not count. Names are stored sealed.'),
  externalId: labelSchema.optional().describe('Exactly.'),
  group: slugSchema.optional(),
  site: slugSchema.optional().describe('Whoever this site needs: those who need no particular site included.'),
});
export type SearchPeopleQuery = z.output<typeof searchPeopleQuerySchema>;
