import type { ApiOperationOptions } from '@nestjs/swagger';

const file = { type: 'string' as const, format: 'binary' };

/** How OpenAPI describes a table of people with their photos. */
export const enrolmentBody: NonNullable<ApiOperationOptions['requestBody']> = {
  description:
    'A zip that holds one table (.csv) and photos, as the body or as the file `archive` of a form; or a form with the ' +
    'table as the file `people`, and photos by their file names. The table is CSV in UTF-8 with a head: `name`, `photo` ' +
    '(the file, as seen from the table), and perhaps `externalId`, `sites`, `groups` (slugs with `;` between them). ' +
    'At most 50,000 rows, 4 GiB in all, 20 MiB a photo; a request has two minutes to arrive.',
  required: true,
  content: {
    'application/zip': { schema: file },
    'multipart/form-data': {
      schema: { type: 'object', properties: { archive: file, people: file, photos: { type: 'array', items: file } } },
    },
  },
};
