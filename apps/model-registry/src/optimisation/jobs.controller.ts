import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { Caller, Roles, Tenant, type RequestCaller } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import {
  modelJobListSchema,
  modelJobSchema,
  newModelJobSchema,
  type ModelJob,
  type NewModelJob,
} from '../models/model-manifest.js';
import { ModelJobs } from './model-jobs.js';

@ApiTags('model jobs')
@Roles('operator', 'auditor')
@Controller('v1')
export class JobsController {
  constructor(private readonly jobs: ModelJobs) {}

  @Post('models/:id/jobs')
  @Roles('operator')
  @HttpCode(202)
  @ApiOperation({ summary: 'Begins work on a model: another variant of it, or an evaluation' })
  @ApiAcceptedResponse({ standardSchema: modelJobSchema })
  begin(
    @Caller() caller: RequestCaller,
    @Param('id', { schema: rest.uuidSchema }) id: string,
    @Body({ schema: newModelJobSchema }) body: NewModelJob,
  ): Promise<ModelJob> {
    return this.jobs.begin(caller, id, body);
  }

  @Get('models/:id/jobs')
  @ApiOperation({ summary: 'The work on one model, newest first' })
  @ApiOkResponse({ standardSchema: modelJobListSchema })
  async ofModel(
    @Tenant() tenantId: TenantId,
    @Param('id', { schema: rest.uuidSchema }) id: string,
  ): Promise<{ readonly items: readonly ModelJob[] }> {
    return { items: await this.jobs.list(tenantId, id) };
  }

  @Get('jobs')
  @ApiOperation({ summary: 'All work on models, newest first' })
  @ApiOkResponse({ standardSchema: modelJobListSchema })
  async list(@Tenant() tenantId: TenantId): Promise<{ readonly items: readonly ModelJob[] }> {
    return { items: await this.jobs.list(tenantId) };
  }

  @Get('jobs/:id')
  @ApiOperation({ summary: 'How far work is, and its report once it has ended' })
  @ApiOkResponse({ standardSchema: modelJobSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', { schema: rest.uuidSchema }) id: string): Promise<ModelJob> {
    return this.jobs.get(tenantId, id);
  }

  @Post('jobs/:id/cancel')
  @Roles('operator')
  @HttpCode(202)
  @ApiOperation({ summary: 'Ends work that waits or runs; what has ended stays as it is' })
  @ApiAcceptedResponse({ standardSchema: modelJobSchema })
  cancel(@Caller() caller: RequestCaller, @Param('id', { schema: rest.uuidSchema }) id: string): Promise<ModelJob> {
    return this.jobs.cancel(caller, id);
  }
}
