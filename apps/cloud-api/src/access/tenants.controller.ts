import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { PlatformOnly } from '@sightline/rest-server';
import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import type { PageQuery } from '../http/page-cursor.js';
import { Tenants } from './tenants.js';

@ApiTags('tenants')
@PlatformOnly()
@Controller('v1/tenants')
export class TenantsController {
  constructor(private readonly tenants: Tenants) {}

  @Post()
  @ApiOperation({
    summary: 'Adds a tenant; the key of its first admin is shown this once. For the platform’s key alone',
  })
  @ApiCreatedResponse({ standardSchema: rest.newTenantSchema })
  create(@Body({ schema: rest.createTenantSchema }) body: rest.CreateTenant): Promise<rest.NewTenant> {
    return this.tenants.create(body);
  }

  @Get()
  @ApiOperation({ summary: 'The tenants, newest first. For the platform’s key alone' })
  @ApiOkResponse({ standardSchema: rest.tenantPageSchema })
  list(@Query({ schema: rest.pageQuerySchema }) query: PageQuery): Promise<rest.TenantPage> {
    return this.tenants.list(query);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Suspends a tenant, or lets it in again. For the platform’s key alone' })
  @ApiOkResponse({ standardSchema: rest.tenantSchema })
  change(
    @Param('id', { schema: rest.slugSchema }) id: TenantId,
    @Body({ schema: rest.changeTenantSchema }) body: rest.ChangeTenant,
  ): Promise<rest.Tenant> {
    return this.tenants.change(id, body);
  }
}
