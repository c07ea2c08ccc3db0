import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { KeyRotation } from './key-rotation.js';
import { RotationWork } from './rotation-work.js';
import { TemplateKeyViews } from './template-key-views.js';

@ApiTags('template keys')
@Controller('v1/template-keys')
export class TemplateKeysController {
  constructor(
    private readonly rotation: KeyRotation,
    private readonly work: RotationWork,
    private readonly views: TemplateKeyViews,
  ) {}

  @Get()
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'The keys that templates are protected with, and how far a rotation has come' })
  @ApiOkResponse({ standardSchema: rest.templateKeysSchema })
  get(@Tenant() tenantId: TenantId): Promise<rest.TemplateKeys> {
    return this.views.get(tenantId);
  }

  @Post('rotate')
  @HttpCode(202)
  @AdminOnly()
  @ApiOperation({
    summary:
      'Gives the tenant a new template key; enrolled templates and boxes follow in the background, without photos',
  })
  @ApiAcceptedResponse({ standardSchema: rest.templateKeysSchema })
  async rotate(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.rotateTemplateKeySchema }) body: rest.RotateTemplateKey,
  ): Promise<rest.TemplateKeys> {
    await this.rotation.rotate(tenantId, body);
    await this.work.begin(tenantId);
    return this.views.get(tenantId);
  }
}
