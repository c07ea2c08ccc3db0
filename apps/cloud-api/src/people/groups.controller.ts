import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Audited, AuditedChange } from '../audit/audited.js';
import type { PageQuery } from '../http/page-cursor.js';
import { Groups } from './groups.js';

const idSchema = { schema: rest.slugSchema };

@ApiTags('people')
@Controller('v1/groups')
export class GroupsController {
  constructor(private readonly groups: Groups) {}

  @Post()
  @AuditedChange('group.create', { kind: 'group', result: 'id' })
  @Roles('operator')
  @ApiOperation({ summary: 'Adds a group or a watch-list' })
  @ApiCreatedResponse({ standardSchema: rest.groupSchema })
  create(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.createGroupSchema }) body: rest.CreateGroup,
  ): Promise<rest.Group> {
    return this.groups.create(tenantId, body);
  }

  @Get()
  @Audited('group.list')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'The groups and watch-lists, newest first' })
  @ApiOkResponse({ standardSchema: rest.groupPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.GroupPage> {
    return this.groups.list(tenantId, query);
  }

  @Get(':id')
  @Audited('group.read', { kind: 'group', param: 'id' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'One group' })
  @ApiOkResponse({ standardSchema: rest.groupSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<rest.Group> {
    return this.groups.get(tenantId, id);
  }

  @Patch(':id')
  @AuditedChange('group.change', { kind: 'group', param: 'id' })
  @Roles('operator')
  @ApiOperation({ summary: 'Changes what is given of a group' })
  @ApiOkResponse({ standardSchema: rest.groupSchema })
  change(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: string,
    @Body({ schema: rest.changeGroupSchema }) body: rest.ChangeGroup,
  ): Promise<rest.Group> {
    return this.groups.change(tenantId, id, body);
  }

  @Delete(':id')
  @AuditedChange('group.remove', { kind: 'group', param: 'id' })
  @Roles('operator')
  @HttpCode(204)
  @ApiOperation({ summary: 'Removes a group; one that has people only with cascade=true' })
  @ApiNoContentResponse()
  remove(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: string,
    @Query({ schema: rest.removeGroupQuerySchema }) { cascade }: rest.RemoveGroupQuery,
  ): Promise<void> {
    return this.groups.remove(tenantId, id, { cascade: cascade === 'true' });
  }
}
