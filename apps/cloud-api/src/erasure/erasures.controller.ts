import { rest } from '@sightline/contracts';
import type { PersonId, TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import type { PageQuery } from '../http/page-cursor.js';
import { Erasures } from './erasures.js';

@ApiTags('privacy')
@Controller('v1/erasures')
export class ErasuresController {
  constructor(private readonly erasures: Erasures) {}

  @Post()
  @HttpCode(202)
  @Roles('operator')
  @ApiOperation({ summary: 'Erases a person everywhere; answers with what is confirmed and what is outstanding' })
  @ApiAcceptedResponse({ standardSchema: rest.erasureProofSchema })
  async request(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.requestErasureSchema }) { personId }: rest.RequestErasure,
  ): Promise<rest.ErasureProof> {
    const id = await this.erasures.erase({ tenantId, personId: personId as PersonId });
    return this.erasures.proof({ tenantId, id });
  }

  @Get()
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Erasures, newest first; none says whom it was about' })
  @ApiOkResponse({ standardSchema: rest.erasurePageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.ErasurePage> {
    return this.erasures.list(tenantId, query);
  }

  @Get(':id')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'The signed proof of an erasure: every store, gallery and box, and when it confirmed' })
  @ApiOkResponse({ standardSchema: rest.erasureProofSchema })
  proof(
    @Tenant() tenantId: TenantId,
    @Param('id', { schema: rest.uuidSchema }) id: string,
  ): Promise<rest.ErasureProof> {
    return this.erasures.proof({ tenantId, id });
  }
}
