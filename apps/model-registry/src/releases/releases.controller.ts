import type { TenantId } from '@sightline/kernel';
import { Caller, Roles, Tenant, type RequestCaller } from '@sightline/rest-server';
import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Releases } from './assemble-release.js';
import {
  newReleaseSchema,
  releaseListSchema,
  releaseSchema,
  releaseView,
  versionSchema,
  type NewReleaseRequest,
  type Release,
} from './release.schemas.js';

@ApiTags('releases')
@Roles('operator', 'auditor')
@Controller('v1/releases')
export class ReleasesController {
  constructor(private readonly releases: Releases) {}

  @Post()
  @Roles()
  @ApiOperation({
    summary: 'Assembles and signs a release of variants: all of it or nothing. Devices get it by a rollout',
  })
  @ApiCreatedResponse({ standardSchema: releaseSchema })
  async create(
    @Caller() caller: RequestCaller,
    @Body({ schema: newReleaseSchema }) body: NewReleaseRequest,
  ): Promise<Release> {
    const release = await this.releases.assemble(caller, body);
    return releaseView(release, release.state);
  }

  @Get()
  @ApiOperation({ summary: "Every published release of the tenant's own, and those that are everybody's" })
  @ApiOkResponse({ standardSchema: releaseListSchema })
  async list(@Tenant() tenantId: TenantId): Promise<{ items: Release[] }> {
    return { items: (await this.releases.list(tenantId)).map((release) => releaseView(release)) };
  }

  @Get(':version')
  @ApiOperation({ summary: 'One release: its models, their origin and licence, and its thresholds' })
  @ApiOkResponse({ standardSchema: releaseSchema })
  async get(
    @Tenant() tenantId: TenantId,
    @Param('version', { schema: versionSchema }) version: string,
  ): Promise<Release> {
    return releaseView(await this.releases.get(tenantId, version));
  }
}
