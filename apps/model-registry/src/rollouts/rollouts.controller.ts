import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { Caller, Roles, Tenant, type RequestCaller } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import {
  createRolloutSchema,
  rolloutDevicePageSchema,
  rolloutDeviceQuerySchema,
  rolloutPageSchema,
  rolloutQuerySchema,
  rolloutReportSchema,
  rolloutSchema,
  type CreateRollout,
  type RolloutDevicePage,
  type RolloutDeviceQuery,
  type RolloutPage,
  type RolloutQuery,
  type RolloutReport,
  type RolloutView,
} from './rollout.schemas.js';
import { Rollouts } from './rollouts.js';

const idSchema = { schema: rest.uuidSchema };

@ApiTags('rollouts')
@Roles('operator')
@Controller('v1/rollouts')
export class RolloutsController {
  constructor(private readonly rollouts: Rollouts) {}

  @Post()
  @ApiOperation({ summary: 'Brings a release to devices of the tenant, in stages' })
  @ApiCreatedResponse({ standardSchema: rolloutSchema })
  create(
    @Caller() { tenantId, actor }: RequestCaller,
    @Body({ schema: createRolloutSchema }) body: CreateRollout,
  ): Promise<RolloutView> {
    return this.rollouts.create(tenantId, actor, body);
  }

  @Get()
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Rollouts of the tenant, newest first' })
  @ApiOkResponse({ standardSchema: rolloutPageSchema })
  list(@Tenant() tenantId: TenantId, @Query({ schema: rolloutQuerySchema }) query: RolloutQuery): Promise<RolloutPage> {
    return this.rollouts.list(tenantId, query);
  }

  @Get(':id')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'The report of a rollout: what became of its devices, stage by stage, and what happened' })
  @ApiOkResponse({ standardSchema: rolloutReportSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<RolloutReport> {
    return this.rollouts.report(tenantId, id);
  }

  @Get(':id/devices')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Each device of a rollout: its outcome, and how far it is' })
  @ApiOkResponse({ standardSchema: rolloutDevicePageSchema })
  devices(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: string,
    @Query({ schema: rolloutDeviceQuerySchema }) query: RolloutDeviceQuery,
  ): Promise<RolloutDevicePage> {
    return this.rollouts.devices(tenantId, id, query);
  }

  @Post(':id/advance')
  @HttpCode(200)
  @ApiOperation({ summary: 'Opens the next stage whatever became of this one, or completes the rollout' })
  @ApiOkResponse({ standardSchema: rolloutSchema })
  advance(@Caller() { tenantId, actor }: RequestCaller, @Param('id', idSchema) id: string): Promise<RolloutView> {
    return this.rollouts.command(tenantId, id, 'advance', actor);
  }

  @Post(':id/pause')
  @HttpCode(200)
  @ApiOperation({ summary: 'Lets no more devices begin' })
  @ApiOkResponse({ standardSchema: rolloutSchema })
  pause(@Caller() { tenantId, actor }: RequestCaller, @Param('id', idSchema) id: string): Promise<RolloutView> {
    return this.rollouts.command(tenantId, id, 'pause', actor);
  }

  @Post(':id/resume')
  @HttpCode(200)
  @ApiOperation({ summary: 'Goes on, and stops again where the reason is still there' })
  @ApiOkResponse({ standardSchema: rolloutSchema })
  resume(@Caller() { tenantId, actor }: RequestCaller, @Param('id', idSchema) id: string): Promise<RolloutView> {
    return this.rollouts.command(tenantId, id, 'resume', actor);
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @ApiOperation({ summary: 'Ends it: who is ok keeps the release, all others are told what they were told before' })
  @ApiOkResponse({ standardSchema: rolloutSchema })
  cancel(@Caller() { tenantId, actor }: RequestCaller, @Param('id', idSchema) id: string): Promise<RolloutView> {
    return this.rollouts.command(tenantId, id, 'cancel', actor);
  }

  @Post(':id/rollback')
  @HttpCode(200)
  @ApiOperation({ summary: 'Tells every device what it was told before: a newer document that names the old release' })
  @ApiOkResponse({ standardSchema: rolloutSchema })
  rollback(@Caller() { tenantId, actor }: RequestCaller, @Param('id', idSchema) id: string): Promise<RolloutView> {
    return this.rollouts.command(tenantId, id, 'rollback', actor);
  }
}
