import type { ApiOperationOptions } from '@nestjs/swagger';

type RequestBody = NonNullable<ApiOperationOptions['requestBody']>;

const file = { type: 'string' as const, format: 'binary' };
const image = { schema: file };
const form = { schema: { type: 'object' as const, properties: { photo: file }, required: ['photo'] } };

/** What `PhotoIntake` and the turnstile of `PhotoFaces` hold every route with photos to. */
const LIMITS =
  'A photo has at most 20 MiB and 64 million pixels, and a side of at least 32 pixels. JPEG, PNG and WebP as the body; ' +
  'AVIF, TIFF and GIF in a form too. Clients share memory and queue: one that takes more than it leaves free is told ' +
  'to wait (429, Retry-After). A request has two minutes to arrive, and no pause of more than 15 seconds (408).';

/** How OpenAPI describes a request whose body is a photo: see `PhotoIntake`. */
export const photoBody: RequestBody = {
  description: `The image itself, or a form with exactly one field, the file \`photo\`. ${LIMITS}`,
  required: true,
  content: { 'multipart/form-data': form, 'image/jpeg': image, 'image/png': image, 'image/webp': image },
};

/** How OpenAPI describes a photo with something to compare it with. */
export const verificationBody: RequestBody = {
  description:
    'A form with the file `photo` and exactly one reference: another photo (`reference`), an enrolled person ' +
    `(\`personId\`), or a template as POST /v1/embeddings gives it (\`template\`, JSON). ${LIMITS}`,
  required: true,
  content: {
    'multipart/form-data': {
      schema: {
        type: 'object',
        properties: {
          photo: file,
          reference: file,
          personId: { type: 'string', format: 'uuid' },
          template: { $ref: '#/components/schemas/Template' },
        },
        required: ['photo'],
        oneOf: [{ required: ['reference'] }, { required: ['personId'] }, { required: ['template'] }],
      },
    },
  },
};
