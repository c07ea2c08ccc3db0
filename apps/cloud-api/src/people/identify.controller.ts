import { rest } from '@sightline/contracts';
import { Caller, type RequestCaller, Roles } from '@sightline/rest-server';
import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { Audited } from '../audit/audited.js';
import { photoBody } from '../http/photo-body.js';
import { PhotoIntake } from '../http/photo-intake.js';
import { IdentifyPhoto } from './identify-photo.js';

@ApiTags('identification')
@Controller('v1/identify')
export class IdentifyController {
  constructor(
    private readonly identifyPhoto: IdentifyPhoto,
    private readonly photos: PhotoIntake,
  ) {}

  @Post()
  @Audited('photo.identify')
  @Roles('operator')
  @HttpCode(200)
  @ApiOperation({ summary: 'Identifies every face of a photo; the photo is not kept', requestBody: photoBody })
  @ApiOkResponse({ standardSchema: rest.identifyResponseSchema })
  identify(@Caller() caller: RequestCaller, @Req() request: FastifyRequest): Promise<rest.IdentifyResponse> {
    return this.photos.take(request, caller, (photo, turn) =>
      this.identifyPhoto.identify(caller.tenantId, photo, turn),
    );
  }
}
