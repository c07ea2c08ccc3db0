import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Audited, AuditedChange } from '../audit/audited.js';
import { Duplicates } from './duplicates.js';

@ApiTags('people')
@Controller('v1/people/duplicates')
export class DuplicatesController {
  constructor(private readonly duplicates: Duplicates) {}

  @Get()
  @Audited('duplicates.list')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Pairs of people who may be one and the same, those found last first' })
  @ApiOkResponse({ standardSchema: rest.duplicatePairPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.duplicatesQuerySchema }) query: rest.DuplicatesQuery,
  ): Promise<rest.DuplicatePairPage> {
    return this.duplicates.list(tenantId, query);
  }

  @Get('search')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'How far the latest search for them is; there is one every night' })
  @ApiOkResponse({ standardSchema: rest.duplicateSearchSchema })
  search(@Tenant() tenantId: TenantId): Promise<rest.DuplicateSearch> {
    return this.duplicates.search(tenantId);
  }

  @Post('search')
  @AuditedChange('duplicates.search')
  @Roles('operator')
  @HttpCode(202)
  @ApiOperation({ summary: 'Starts a search, unless one is under way' })
  @ApiAcceptedResponse({ standardSchema: rest.duplicateSearchSchema })
  start(@Tenant() tenantId: TenantId): Promise<rest.DuplicateSearch> {
    return this.duplicates.start(tenantId);
  }

  @Patch(':id')
  @AuditedChange('duplicates.judge', { kind: 'duplicate', param: 'id' })
  @Roles('operator')
  @ApiOperation({ summary: 'Dismisses a pair: they are two people; or takes that back' })
  @ApiOkResponse({ standardSchema: rest.duplicatePairSchema })
  change(
    @Tenant() tenantId: TenantId,
    @Param('id', { schema: rest.uuidSchema }) id: string,
    @Body({ schema: rest.changeDuplicateSchema }) body: rest.ChangeDuplicate,
  ): Promise<rest.DuplicatePair> {
    return this.duplicates.change(tenantId, id, body);
  }
}
