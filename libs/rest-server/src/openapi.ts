import { rest } from '@sightline/contracts';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';

/** What a program says of its interface as a whole; its routes say the rest. Made with Nest's `DocumentBuilder`. */
export type ApiHead = Omit<OpenAPIObject, 'paths'>;

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

const problemResponse = {
  description: 'A problem (RFC 9457)',
  headers: {
    'Retry-After': {
      description: 'With status 429 and 503: seconds to wait before the same request is sent again.',
      schema: { type: 'integer' as const },
    },
  },
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** Serves the OpenAPI document at /openapi.json and its page at /docs. */
export function serveOpenApi(app: NestFastifyApplication, head: ApiHead): void {
  const document = withProblems(SwaggerModule.createDocument(app, head));
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'openapi.json' });
}

/** Says of every route that its errors are problem documents: the filter makes them so. */
function withProblems({ paths, components, ...document }: OpenAPIObject): OpenAPIObject {
  for (const { get, put, post, patch, delete: remove } of Object.values(paths)) {
    for (const operation of [get, put, post, patch, remove]) {
      if (operation !== undefined) operation.responses.default = problemResponse;
    }
  }
  // Without the schema's own id, which would make of the component a reference to itself.
  const problem = z.toJSONSchema(z.object(rest.problemSchema.shape), { target: 'openapi-3.0' }) as Schemas[string];
  return { ...document, paths, components: { ...components, schemas: { ...components?.schemas, Problem: problem } } };
}
