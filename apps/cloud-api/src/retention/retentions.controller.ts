import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Post, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Retentions } from './retentions.js';

@ApiTags('privacy')
@Controller('v1/retention')
export class RetentionsController {
  constructor(private readonly retentions: Retentions) {}

  @Get()
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'How long what is kept' })
  @ApiOkResponse({ standardSchema: rest.retentionSchema })
  get(@Tenant() tenantId: TenantId): Promise<rest.Retention> {
    return this.retentions.get(tenantId);
  }

  @Put()
  @AdminOnly()
  @ApiOperation({ summary: 'Changes how long what is kept; what has expired is deleted within the hour' })
  @ApiOkResponse({ standardSchema: rest.retentionSchema })
  change(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.changeRetentionSchema }) body: rest.ChangeRetention,
  ): Promise<rest.Retention> {
    return this.retentions.change(tenantId, body);
  }

  @Post('preview')
  @HttpCode(200)
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'A dry run: counts what would be deleted now, with the changes that are given' })
  @ApiOkResponse({ standardSchema: rest.retentionPreviewSchema })
  preview(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.changeRetentionSchema }) body: rest.ChangeRetention,
  ): Promise<rest.RetentionPreview> {
    return this.retentions.preview(tenantId, body);
  }
}
