import { rest } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { DeviceDetails } from './device-details.js';
import { FleetHealth } from './health/fleet-health.js';

const slug = { schema: rest.slugSchema };

@ApiTags('devices')
@Controller('v1/devices/:deviceId')
export class DeviceDetailController {
  constructor(
    private readonly details: DeviceDetails,
    private readonly health: FleetHealth,
  ) {}

  @Get()
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'A box: what it is, what it could not keep, how it is' })
  @ApiOkResponse({ standardSchema: rest.deviceDetailSchema })
  get(@Tenant() tenantId: TenantId, @Param('deviceId', slug) deviceId: DeviceId): Promise<rest.DeviceDetail> {
    return this.details.get({ tenantId, deviceId });
  }

  @Get('health')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'What a box counted, window by window, newest first' })
  @ApiOkResponse({ standardSchema: rest.healthWindowListSchema })
  async windows(
    @Tenant() tenantId: TenantId,
    @Param('deviceId', slug) deviceId: DeviceId,
    @Query({ schema: rest.healthWindowQuerySchema }) { limit }: { readonly limit: number },
  ): Promise<rest.HealthWindowList> {
    return this.health.list({ tenantId, deviceId }, limit);
  }
}
