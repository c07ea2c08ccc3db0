import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Caller, type RequestCaller, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Audited, AuditedChange } from '../audit/audited.js';
import { StrangerEnrolment } from './stranger-enrolment.js';
import { Strangers } from './strangers.js';

const idSchema = { schema: rest.uuidSchema };

@ApiTags('strangers')
@Controller('v1')
export class StrangersController {
  constructor(
    private readonly strangers: Strangers,
    private readonly enrolment: StrangerEnrolment,
  ) {}

  @Get('stranger-clustering')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Where unknown people are told apart; nowhere unless somebody has said so' })
  @ApiOkResponse({ standardSchema: rest.strangerClusteringSchema })
  settings(@Tenant() tenantId: TenantId): Promise<rest.StrangerClustering> {
    return this.strangers.settings(tenantId);
  }

  @Put('stranger-clustering')
  @AdminOnly()
  @ApiOperation({ summary: 'Says where unknown people are told apart; what was gathered elsewhere is deleted at once' })
  @ApiOkResponse({ standardSchema: rest.strangerClusteringSchema })
  change(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.putStrangerClusteringSchema }) body: rest.PutStrangerClustering,
  ): Promise<rest.StrangerClustering> {
    return this.strangers.change(tenantId, body);
  }

  @Get('strangers')
  @Audited('stranger.list')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Unknown people who were seen, those who were seen last first' })
  @ApiOkResponse({ standardSchema: rest.strangerPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.strangerQuerySchema }) query: rest.StrangerQuery,
  ): Promise<rest.StrangerPage> {
    return this.strangers.list(tenantId, query);
  }

  @Get('strangers/:id')
  @Audited('stranger.read', { kind: 'stranger', param: 'id' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'One of them, with their latest sightings' })
  @ApiOkResponse({ standardSchema: rest.strangerDetailSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<rest.StrangerDetail> {
    return this.strangers.get({ tenantId, id });
  }

  @Post('strangers/:id/enrol')
  @AuditedChange('stranger.enrol', { kind: 'person', result: 'personId' })
  @Roles('operator')
  @HttpCode(200)
  @ApiOperation({ summary: 'Makes a person of a stranger: reviews their sightings, and enrols the best' })
  @ApiOkResponse({ standardSchema: rest.enrolledStrangerSchema })
  enrol(
    @Caller() caller: RequestCaller,
    @Param('id', idSchema) id: string,
    @Body({ schema: rest.createPersonSchema }) body: rest.CreatePerson,
  ): Promise<rest.EnrolledStranger> {
    return this.enrolment.enrol(caller, id, body);
  }

  @Delete('strangers/:id')
  @AuditedChange('stranger.forget', { kind: 'stranger', param: 'id' })
  @Roles('operator')
  @HttpCode(204)
  @ApiOperation({ summary: 'Forgets a stranger, with the probes of their sightings' })
  @ApiNoContentResponse()
  forget(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<void> {
    return this.strangers.forget({ tenantId, id });
  }
}
