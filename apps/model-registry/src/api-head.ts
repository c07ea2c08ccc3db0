import { DocumentBuilder } from '@nestjs/swagger';

/** The head of the registry's OpenAPI document. */
export const apiHead = new DocumentBuilder()
  .setTitle('Sightline model registry')
  .setDescription('Signed releases of models. The files themselves are a TUF repository below /repository.')
  .setVersion('1')
  .addSecurity('bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token (JWT) of cloud-api or of your provider',
  })
  .addSecurityRequirements('bearer')
  .build();
