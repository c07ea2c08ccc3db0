import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { Tenant } from '../access/api-key.guard.js';
import { photoBody } from '../http/photo-body.js';
import { PhotoIntake } from '../http/photo.js';
import { IdentifyPhoto } from './identify-photo.js';

@ApiTags('identification')
@Controller('v1/identify')
export class IdentifyController {
  constructor(
    private readonly identifyPhoto: IdentifyPhoto,
    private readonly photos: PhotoIntake,
  ) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({ summary: 'Identifies every face of a photo; the photo is not kept', requestBody: photoBody })
  @ApiOkResponse({ standardSchema: rest.identifyResponseSchema })
  identify(@Tenant() tenantId: TenantId, @Req() request: FastifyRequest): Promise<rest.IdentifyResponse> {
    return this.photos.take(request, (photo) => this.identifyPhoto.identify(tenantId, photo));
  }
}
