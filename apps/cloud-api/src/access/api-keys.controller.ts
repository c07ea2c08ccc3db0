import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Tenant } from '@sightline/rest-server';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import type { PageQuery } from '../http/page-cursor.js';
import { ApiKeys } from './api-keys.js';

@ApiTags('access')
@AdminOnly()
@Controller('v1/api-keys')
export class ApiKeysController {
  constructor(private readonly apiKeys: ApiKeys) {}

  @Post()
  @ApiOperation({ summary: 'Makes an API key; its secret is shown this once' })
  @ApiCreatedResponse({ standardSchema: rest.newApiKeySchema })
  create(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.createApiKeySchema }) body: rest.CreateApiKey,
  ): Promise<rest.NewApiKey> {
    return this.apiKeys.create(tenantId, body);
  }

  @Get()
  @ApiOperation({ summary: 'The API keys, newest first, without their secrets' })
  @ApiOkResponse({ standardSchema: rest.apiKeyPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.ApiKeyPage> {
    return this.apiKeys.list(tenantId, query);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Makes an API key worth nothing, from the next request on' })
  @ApiNoContentResponse()
  revoke(@Tenant() tenantId: TenantId, @Param('id', { schema: rest.uuidSchema }) id: string): Promise<void> {
    return this.apiKeys.revoke(tenantId, id);
  }
}
