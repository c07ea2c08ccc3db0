import { rest } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, Param, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { DesiredConfigs } from './desired-configs.js';

const slug = { schema: rest.slugSchema };

@ApiTags('devices')
@Controller('v1/devices/:deviceId/desired-config')
@Roles('operator')
export class DesiredConfigController {
  constructor(private readonly configs: DesiredConfigs) {}

  @Get()
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'What is desired of a box, and what it says of that' })
  @ApiOkResponse({ standardSchema: rest.desiredConfigSchema })
  get(@Tenant() tenantId: TenantId, @Param('deviceId', slug) deviceId: DeviceId): Promise<rest.DesiredConfig> {
    return this.configs.get({ tenantId, deviceId });
  }

  @Put()
  @ApiOperation({ summary: 'Desires a box’s site and settings, in the place of all that was desired before' })
  @ApiOkResponse({ standardSchema: rest.desiredConfigSchema })
  put(
    @Tenant() tenantId: TenantId,
    @Param('deviceId', slug) deviceId: DeviceId,
    @Body({ schema: rest.putDesiredConfigSchema }) body: rest.PutDesiredConfig,
  ): Promise<rest.DesiredConfig> {
    return this.configs.put({ tenantId, deviceId }, body);
  }
}
