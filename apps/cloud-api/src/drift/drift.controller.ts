import { rest } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { AdminOnly, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import type { PageQuery } from '../http/page-cursor.js';
import { DriftBaselines } from './drift-baselines.js';
import { DriftPolicies } from './drift-policies.js';
import { DriftViews } from './drift-views.js';

@ApiTags('drift')
@Controller('v1')
export class DriftController {
  constructor(
    private readonly views: DriftViews,
    private readonly baselines: DriftBaselines,
    private readonly policies: DriftPolicies,
  ) {}

  @Get('drift')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'What is watched for drift, with the last figures: cameras by release and variant' })
  @ApiOkResponse({ standardSchema: rest.driftPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.driftQuerySchema }) query: rest.DriftQuery,
  ): Promise<rest.DriftPage> {
    return this.views.list(tenantId, query);
  }

  @Get('drift/:deviceId')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'What is watched of one device, and every comparison, newest first' })
  @ApiOkResponse({ standardSchema: rest.deviceDriftSchema })
  ofDevice(
    @Tenant() tenantId: TenantId,
    @Param('deviceId', { schema: rest.slugSchema }) deviceId: string,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.DeviceDrift> {
    return this.views.ofDevice({ tenantId, deviceId: deviceId as DeviceId }, query);
  }

  @Post('drift/baselines')
  @HttpCode(200)
  @Roles('operator')
  @ApiOperation({ summary: 'Takes the present of a camera for normal, or has a baseline collected anew' })
  @ApiOkResponse({ standardSchema: rest.driftBaselinesSchema })
  setBaseline(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.setDriftBaselineSchema }) body: rest.SetDriftBaseline,
  ): Promise<rest.DriftBaselines> {
    return this.baselines.set(tenantId, body);
  }

  @Get('drift-policy')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'When a camera counts as drifting, with what holds by default' })
  @ApiOkResponse({ standardSchema: rest.driftPolicySchema })
  policy(@Tenant() tenantId: TenantId): Promise<rest.DriftPolicy> {
    return this.policies.of(tenantId);
  }

  @Put('drift-policy')
  @AdminOnly()
  @ApiOperation({ summary: 'Replaces it; what is not given is as by default' })
  @ApiOkResponse({ standardSchema: rest.driftPolicySchema })
  replacePolicy(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.putDriftPolicySchema }) body: rest.CheckedDriftPolicy,
  ): Promise<rest.DriftPolicy> {
    return this.policies.replace(tenantId, body);
  }
}
