import { rest } from '@sightline/contracts';
import type { ApiOperationOptions } from '@nestjs/swagger';
import { z } from 'zod';

type RequestBody = NonNullable<ApiOperationOptions['requestBody']>;
type Schema = NonNullable<Extract<RequestBody, { content: unknown }>['content'][string]['schema']>;

function inlined(schema: z.ZodType): Schema {
  const whole = z.toJSONSchema(schema, { io: 'input', target: 'openapi-3.0' });
  // Names of documents of their own.
  return Object.fromEntries(Object.entries(whole).filter(([key]) => key !== '$schema' && key !== 'id'));
}

const { properties, required } = inlined(rest.photoSearchFieldsSchema) as {
  readonly properties: Record<string, Schema>;
  readonly required: string[];
};

/** How OpenAPI describes a search: a form with a photo, or JSON without one. */
export const searchBody: RequestBody = {
  description:
    'A form with the file `photo` (at most 20 MiB and 64 million pixels) and the fields of the search, or JSON that names ' +
    'a sighting or a person in its place.',
  required: true,
  content: {
    'multipart/form-data': {
      schema: {
        type: 'object',
        properties: { photo: { type: 'string', format: 'binary' }, ...properties },
        required: ['photo', ...required],
      },
    },
    'application/json': { schema: inlined(rest.searchRequestSchema) },
  },
};
