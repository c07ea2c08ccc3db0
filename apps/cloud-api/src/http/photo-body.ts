import type { ApiOperationOptions } from '@nestjs/swagger';

const image = { schema: { type: 'string' as const, format: 'binary' } };
const form = { schema: { type: 'object' as const, properties: { photo: image.schema }, required: ['photo'] } };

/** How OpenAPI describes a request whose body is a photo: see `PhotoIntake`. */
export const photoBody: NonNullable<ApiOperationOptions['requestBody']> = {
  description: 'The image itself, or a form with exactly one field, the file `photo`; at most 20 MiB.',
  required: true,
  content: { 'multipart/form-data': form, 'image/jpeg': image, 'image/png': image, 'image/webp': image },
};
