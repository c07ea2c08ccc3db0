import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { Body, Controller, Get, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Tenant } from '../access/api-key.guard.js';
import { AdminOnly, Roles } from '../access/roles.js';
import type { PageQuery } from '../http/page-cursor.js';
import { Devices } from './devices.js';

@ApiTags('devices')
@Controller('v1/devices')
export class DevicesController {
  constructor(private readonly devices: Devices) {}

  @Post()
  @AdminOnly()
  @ApiOperation({ summary: 'Registers a box; its credentials are shown this once' })
  @ApiCreatedResponse({ standardSchema: rest.provisioningSchema })
  create(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.createDeviceSchema }) body: rest.CreateDevice,
  ): Promise<rest.Provisioning> {
    return this.devices.create(tenantId, body);
  }

  @Get()
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'The boxes, newest first' })
  @ApiOkResponse({ standardSchema: rest.devicePageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.DevicePage> {
    return this.devices.list(tenantId, query);
  }
}
