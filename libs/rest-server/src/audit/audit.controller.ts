import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Tenant } from '../access/caller.js';
import { Roles } from '../access/roles.js';
import { AuditViews } from './audit-views.js';

@ApiTags('audit')
@Roles('auditor')
@Controller('v1/audit')
export class AuditController {
  constructor(private readonly views: AuditViews) {}

  @Get()
  @ApiOperation({ summary: 'Who did what with biometric data, newest first; ids alone' })
  @ApiOkResponse({ standardSchema: rest.auditPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.auditQuerySchema }) query: rest.AuditQuery,
  ): Promise<rest.AuditPage> {
    return this.views.list(tenantId, query);
  }

  @Get('head')
  @ApiOperation({ summary: 'Where the chain of entries ends: keep it outside, and ask by it later' })
  @ApiOkResponse({ standardSchema: rest.auditHeadSchema })
  head(@Tenant() tenantId: TenantId): Promise<rest.AuditHead> {
    return this.views.head(tenantId);
  }

  @Get('verify')
  @ApiOperation({ summary: 'Whether the chain is whole, up to 100,000 entries at a time; names the first broken link' })
  @ApiOkResponse({ standardSchema: rest.auditVerificationSchema })
  verify(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.auditVerifyQuerySchema }) query: rest.AuditVerifyQuery,
  ): Promise<rest.AuditVerification> {
    return this.views.verify(tenantId, query);
  }
}
