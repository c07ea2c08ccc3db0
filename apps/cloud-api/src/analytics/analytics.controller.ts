import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Roles, Tenant } from '@sightline/rest-server';
import { Controller, Get, Header, HttpCode, Post, Query, StreamableFile } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';

import { csvFile } from '../http/csv.js';
import { Analytics } from './analytics.js';
import { RollUps } from './roll-ups.js';

const CSV = 'text/csv; charset=utf-8';
const trafficColumns = Object.keys(rest.trafficRowSchema.shape) as (keyof rest.TrafficRow)[];
const occupancyColumns = Object.keys(rest.occupancyRowSchema.shape) as (keyof rest.OccupancyRow)[];
const distributionColumns = Object.keys(rest.distributionLineSchema.shape) as (keyof rest.DistributionLine)[];
const LINES = 'A row for each of these, with a head.';

@ApiTags('analytics')
@Controller('v1/analytics')
@Roles('operator', 'auditor')
export class AnalyticsController {
  constructor(
    private readonly analytics: Analytics,
    private readonly rollUps: RollUps,
  ) {}

  @Get('summary')
  @ApiOperation({ summary: 'What was seen in a range of days, in one row' })
  @ApiOkResponse({ standardSchema: rest.analyticsSummarySchema })
  summary(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.analyticsSummaryQuerySchema }) query: rest.AnalyticsSummaryQuery,
  ): Promise<rest.AnalyticsSummary> {
    return this.analytics.summary(tenantId, query);
  }

  @Get('traffic')
  @ApiOperation({ summary: 'Sightings by hour or day, and by site, device, camera, release or variant' })
  @ApiOkResponse({ standardSchema: rest.trafficPageSchema })
  traffic(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.trafficQuerySchema }) query: rest.TrafficQuery,
  ): Promise<rest.TrafficPage> {
    return this.analytics.traffic(tenantId, query);
  }

  @Get('traffic.csv')
  @Header('content-type', CSV)
  @ApiOperation({ summary: 'The same as a table, whole' })
  @ApiProduces('text/csv')
  @ApiOkResponse({ standardSchema: rest.trafficRowSchema, description: LINES })
  async trafficTable(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.trafficTableQuerySchema }) query: rest.TrafficTableQuery,
  ): Promise<StreamableFile> {
    return csvFile(await this.analytics.trafficTable(tenantId, query), trafficColumns);
  }

  @Get('people')
  @ApiOperation({ summary: 'How many different people were identified, at each site and in all' })
  @ApiOkResponse({ standardSchema: rest.uniquePeopleSchema })
  people(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.uniquePeopleQuerySchema }) query: rest.UniquePeopleQuery,
  ): Promise<rest.UniquePeople> {
    return this.analytics.people(tenantId, query);
  }

  @Get('occupancy')
  @ApiOperation({ summary: 'How many people a site saw in each hour or day, and for how long' })
  @ApiOkResponse({ standardSchema: rest.occupancySchema })
  occupancy(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.occupancyQuerySchema }) query: rest.OccupancyQuery,
  ): Promise<rest.Occupancy> {
    return this.analytics.occupancy(tenantId, query);
  }

  @Get('occupancy.csv')
  @Header('content-type', CSV)
  @ApiOperation({ summary: 'The same as a table' })
  @ApiProduces('text/csv')
  @ApiOkResponse({ standardSchema: rest.occupancyRowSchema, description: LINES })
  async occupancyTable(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.occupancyQuerySchema }) query: rest.OccupancyQuery,
  ): Promise<StreamableFile> {
    const { items } = await this.analytics.occupancy(tenantId, query);
    return csvFile(items, occupancyColumns);
  }

  @Get('distributions')
  @ApiOperation({ summary: 'Histograms of scores, quality and time in view' })
  @ApiOkResponse({ standardSchema: rest.distributionsPageSchema })
  distributions(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.distributionsQuerySchema }) query: rest.DistributionsQuery,
  ): Promise<rest.DistributionsPage> {
    return this.analytics.distributions(tenantId, query);
  }

  @Get('distributions.csv')
  @Header('content-type', CSV)
  @ApiOperation({ summary: 'The same as a table, whole: a line for each bin' })
  @ApiProduces('text/csv')
  @ApiOkResponse({ standardSchema: rest.distributionLineSchema, description: LINES })
  async distributionsTable(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.distributionsTableQuerySchema }) query: rest.DistributionsTableQuery,
  ): Promise<StreamableFile> {
    return csvFile(await this.analytics.distributionsTable(tenantId, query), distributionColumns);
  }

  @Post('rebuild')
  @AdminOnly()
  @HttpCode(202)
  @ApiOperation({ summary: 'Has everything counted anew from the sightings that are still kept, by a job' })
  @ApiAcceptedResponse({ standardSchema: rest.analyticsRebuildSchema })
  async rebuild(@Tenant() tenantId: TenantId): Promise<rest.AnalyticsRebuild> {
    return { hours: await this.rollUps.rebuild(tenantId) };
  }
}
