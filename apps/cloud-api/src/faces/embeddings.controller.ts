import { rest } from '@sightline/contracts';
import { Caller, type RequestCaller, Roles } from '@sightline/rest-server';
import { Controller, HttpCode, Post, Query, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { Audited } from '../audit/audited.js';
import { photoBody } from '../http/photo-body.js';
import { PhotoIntake } from '../http/photo-intake.js';
import { PhotoEmbeddings } from './photo-embeddings.js';

@ApiTags('faces')
@Controller('v1/embeddings')
export class EmbeddingsController {
  constructor(
    private readonly embeddings: PhotoEmbeddings,
    private readonly photos: PhotoIntake,
  ) {}

  @Post()
  @Audited('photo.embed')
  @Roles('operator')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Every face of a photo with its protected template; neither is kept',
    description:
      'A template is biometric data: it is pseudonymised by the tenant’s key, not anonymous. Keep it whole, with its ' +
      'model space and key, without which it can be compared with nothing.',
    requestBody: photoBody,
  })
  @ApiOkResponse({ standardSchema: rest.embeddingsResponseSchema })
  embed(
    @Caller() caller: RequestCaller,
    @Query({ schema: rest.embeddingsQuerySchema }) query: rest.EmbeddingsQuery,
    @Req() request: FastifyRequest,
  ): Promise<rest.EmbeddingsResponse> {
    return this.photos.take(request, caller, (photo, turn) =>
      this.embeddings.embed(caller.tenantId, photo, query, turn),
    );
  }
}
