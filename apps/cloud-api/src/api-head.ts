import { DocumentBuilder } from '@nestjs/swagger';

/** The head of the cloud API's OpenAPI document. */
export const apiHead = new DocumentBuilder()
  .setTitle('Sightline cloud API')
  .setDescription('People, devices, sightings and identification. Errors are problem documents (RFC 9457).')
  .setVersion('1')
  .addSecurity('bearer', { type: 'http', scheme: 'bearer', description: 'An API key, or a token (JWT)' })
  .addSecurityRequirements('bearer')
  .build();
