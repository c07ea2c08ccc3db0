import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Caller, type RequestCaller, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Audited } from '../audit/audited.js';
import { AlertLog } from './alert-log.js';
import { AlertPolicies } from './alert-policies.js';

const idSchema = { schema: rest.uuidSchema };

@ApiTags('alerts')
@Controller('v1')
export class AlertsController {
  constructor(
    private readonly alerts: AlertLog,
    private readonly policies: AlertPolicies,
  ) {}

  @Get('alerts')
  @Roles('operator', 'auditor')
  @Audited('alert.list')
  @ApiOperation({ summary: 'Alerts, newest first' })
  @ApiOkResponse({ standardSchema: rest.alertPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.alertQuerySchema }) query: rest.AlertQuery,
  ): Promise<rest.AlertPage> {
    return this.alerts.list(tenantId, query);
  }

  @Get('alerts/:id')
  @Roles('operator', 'auditor')
  @Audited('alert.read', { kind: 'alert', param: 'id' })
  @ApiOperation({ summary: 'One alert, and who was told of it' })
  @ApiOkResponse({ standardSchema: rest.alertDetailSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<rest.AlertDetail> {
    return this.alerts.get(tenantId, id);
  }

  @Post('alerts/:id/acknowledge')
  @HttpCode(200)
  @Roles('operator')
  @ApiOperation({ summary: 'Says that somebody has seen it' })
  @ApiOkResponse({ standardSchema: rest.alertSchema })
  acknowledge(@Caller() caller: RequestCaller, @Param('id', idSchema) id: string): Promise<rest.Alert> {
    return this.alerts.acknowledge(caller, id);
  }

  @Post('alerts/:id/redeliver')
  @HttpCode(200)
  @Roles('operator')
  @ApiOperation({ summary: 'Tells it again, with the same id' })
  @ApiOkResponse({ standardSchema: rest.alertDetailSchema })
  redeliver(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: string,
    @Body({ schema: rest.redeliverAlertSchema }) body: rest.RedeliverAlert,
  ): Promise<rest.AlertDetail> {
    return this.alerts.redeliver(tenantId, id, body);
  }

  @Get('alert-policy')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'When somebody on a watch-list is an alert' })
  @ApiOkResponse({ standardSchema: rest.alertPolicySchema })
  policy(@Tenant() tenantId: TenantId): Promise<rest.AlertPolicy> {
    return this.policies.get(tenantId);
  }

  @Put('alert-policy')
  @AdminOnly()
  @ApiOperation({ summary: 'Changes when somebody on a watch-list is an alert' })
  @ApiOkResponse({ standardSchema: rest.alertPolicySchema })
  changePolicy(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.alertPolicySchema }) body: rest.AlertPolicy,
  ): Promise<rest.AlertPolicy> {
    return this.policies.put(tenantId, body);
  }
}
