import { rest } from '@sightline/contracts';
import type { PersonId, TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Audited, AuditedChange } from '../audit/audited.js';
import type { PageQuery } from '../http/page-cursor.js';
import { Merges } from './merges.js';

const idSchema = { schema: rest.uuidSchema };

@ApiTags('people')
@Controller('v1')
export class MergesController {
  constructor(private readonly merges: Merges) {}

  @Post('people/:id/merge')
  @AuditedChange('person.merge', { kind: 'person', param: 'id' })
  @Roles('operator')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Makes one person of two: templates, sightings, sites and groups go to the one in the path',
  })
  @ApiOkResponse({ standardSchema: rest.mergeSchema })
  merge(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: PersonId,
    @Body({ schema: rest.mergePeopleSchema }) { from }: rest.MergePeople,
  ): Promise<rest.Merge> {
    return this.merges.merge(tenantId, id, from as PersonId);
  }

  @Get('merges')
  @Audited('merge.list')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'The merges, newest first' })
  @ApiOkResponse({ standardSchema: rest.mergePageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.MergePage> {
    return this.merges.list(tenantId, query);
  }

  @Get('merges/:id')
  @Audited('merge.read', { kind: 'merge', param: 'id' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'One merge' })
  @ApiOkResponse({ standardSchema: rest.mergeSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<rest.Merge> {
    return this.merges.get(tenantId, id);
  }

  @Post('merges/:id/undo')
  @AuditedChange('person.unmerge', { kind: 'merge', param: 'id' })
  @Roles('operator')
  @HttpCode(200)
  @ApiOperation({ summary: 'Makes two people of one again' })
  @ApiOkResponse({ standardSchema: rest.mergeSchema })
  undo(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<rest.Merge> {
    return this.merges.undo(tenantId, id);
  }
}
