import { rest } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { AdminOnly, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import type { PageQuery } from '../http/page-cursor.js';
import { DeviceLifecycle } from './device-lifecycle.js';
import { Devices } from './devices.js';

const slug = { schema: rest.slugSchema };

@ApiTags('devices')
@Controller('v1/devices')
@Roles('operator')
export class DevicesController {
  constructor(
    private readonly devices: Devices,
    private readonly lifecycle: DeviceLifecycle,
  ) {}

  @Post()
  @AdminOnly()
  @ApiOperation({ summary: 'Registers a box; its credentials are shown this once' })
  @ApiCreatedResponse({ standardSchema: rest.provisioningSchema })
  create(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.createDeviceSchema }) { id, siteId }: rest.CreateDevice,
  ): Promise<rest.Provisioning> {
    return this.lifecycle.create({ tenantId, deviceId: id as DeviceId }, siteId);
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

  @Post(':deviceId/enrolment')
  @AdminOnly()
  @ApiOperation({ summary: 'New credentials for a box, which lets in again one that was revoked; shown this once' })
  @ApiCreatedResponse({ standardSchema: rest.provisioningSchema })
  enrol(@Tenant() tenantId: TenantId, @Param('deviceId', slug) deviceId: DeviceId): Promise<rest.Provisioning> {
    return this.lifecycle.enrol({ tenantId, deviceId });
  }

  @Post(':deviceId/revoke')
  @HttpCode(204)
  @ApiOperation({ summary: 'Lets a box in nowhere any more, and cuts its connection' })
  @ApiNoContentResponse()
  async revoke(
    @Tenant() tenantId: TenantId,
    @Param('deviceId', slug) deviceId: DeviceId,
    @Body({ schema: rest.revokeDeviceSchema }) { reason }: rest.RevokeDevice,
  ): Promise<void> {
    await this.lifecycle.revoke({ tenantId, deviceId }, reason);
  }

  @Delete(':deviceId')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revokes a box and shows it no longer; what it has recorded stays' })
  @ApiNoContentResponse()
  async delete(@Tenant() tenantId: TenantId, @Param('deviceId', slug) deviceId: DeviceId): Promise<void> {
    await this.lifecycle.delete({ tenantId, deviceId });
  }
}
