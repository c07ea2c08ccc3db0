import { rest } from '@sightline/contracts';
import type { PersonId, TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Audited } from '../audit/audited.js';
import type { PageQuery } from '../http/page-cursor.js';
import { EdgeCacheViews } from './edge-cache-views.js';

@ApiTags('edge caches')
@Controller('v1')
export class EdgeCachesController {
  constructor(private readonly views: EdgeCacheViews) {}

  @Get('edge-caches')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'The local caches of the boxes: who is in them, since when, and what is outstanding' })
  @ApiOkResponse({ standardSchema: rest.edgeCachePageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.EdgeCachePage> {
    return this.views.list(tenantId, query);
  }

  // Without the id: one that asks of somebody who was erased would keep it.
  @Get('people/:id/erasure')
  @Audited('erasure.holders')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Of somebody who was removed: the boxes that held them, and whose receipt is outstanding' })
  @ApiOkResponse({ standardSchema: rest.erasureSchema })
  erasure(
    @Tenant() tenantId: TenantId,
    @Param('id', { schema: rest.uuidSchema }) personId: PersonId,
  ): Promise<rest.Erasure> {
    return this.views.erasure(tenantId, personId);
  }
}
