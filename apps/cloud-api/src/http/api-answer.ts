import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiDefaultResponse, ApiResponse } from '@nestjs/swagger';
import type { z } from 'zod';

const problemContent = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };

/** Documents a route's answer, and that every error is a problem document. */
export function ApiAnswer(status: number, schema?: z.ZodType): MethodDecorator {
  return applyDecorators(
    ApiResponse({ status, ...(schema && { standardSchema: schema }) }),
    ApiDefaultResponse({ description: 'A problem (RFC 9457)', content: problemContent }),
  );
}

/** Documents a photo as the request's body: see `PhotoIntake`. */
export function ApiPhoto(): MethodDecorator {
  return applyDecorators(
    ApiConsumes('multipart/form-data', 'image/jpeg', 'image/png', 'image/webp'),
    ApiBody({
      description: 'The file `photo` of a form, or the image itself as the body; at most 20 MiB.',
      schema: { type: 'object', properties: { photo: { type: 'string', format: 'binary' } }, required: ['photo'] },
    }),
  );
}
