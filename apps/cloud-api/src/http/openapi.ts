import { rest } from '@sightline/contracts';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { z } from 'zod';

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

/** Serves the OpenAPI document at /openapi.json and its page at /docs. */
export function serveOpenApi(app: NestFastifyApplication): void {
  const config = new DocumentBuilder()
    .setTitle('Sightline cloud API')
    .setDescription('People, devices, sightings and identification. Errors are problem documents (RFC 9457).')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key' })
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, config);
  // Every route refers to it, and no parameter or answer brings it along.
  const problem = z.toJSONSchema(rest.problemSchema, { target: 'openapi-3.0' }) as Schemas[string];
  const components = { ...document.components, schemas: { ...document.components?.schemas, Problem: problem } };
  SwaggerModule.setup('docs', app, { ...document, components }, { jsonDocumentUrl: 'openapi.json' });
}
