import { rest } from '@sightline/contracts';
import type { PersonId, TenantId } from '@sightline/kernel';
import { AdminOnly, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Post, Put } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { Audited } from '../audit/audited.js';
import { Consents } from './consents.js';

const idSchema = { schema: rest.uuidSchema };

@ApiTags('privacy')
@Controller('v1')
export class ConsentsController {
  constructor(private readonly consents: Consents) {}

  @Get('people/:id/consents')
  @Audited('consent.list', { kind: 'person', param: 'id' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'On what basis somebody is recognised for which purpose, and what follows from it now' })
  @ApiOkResponse({ standardSchema: rest.consentsSchema })
  list(@Tenant() tenantId: TenantId, @Param('id', idSchema) personId: PersonId): Promise<rest.Consents> {
    return this.consents.list({ tenantId, personId });
  }

  @Post('people/:id/consents')
  @Roles('operator')
  @ApiOperation({ summary: 'Records a consent, or another legal basis, for one purpose' })
  @ApiCreatedResponse({ standardSchema: rest.consentSchema })
  record(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) personId: PersonId,
    @Body({ schema: rest.recordConsentSchema }) body: rest.RecordConsent,
  ): Promise<rest.Consent> {
    return this.consents.record({ tenantId, personId }, body);
  }

  @Post('people/:id/consents/:consentId/withdraw')
  @HttpCode(200)
  @Roles('operator')
  @ApiOperation({ summary: 'Ends a consent: the person is matched for its purpose no more' })
  @ApiOkResponse({ standardSchema: rest.consentSchema })
  withdraw(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) personId: PersonId,
    @Param('consentId', idSchema) consentId: string,
  ): Promise<rest.Consent> {
    return this.consents.withdraw({ tenantId, personId }, consentId);
  }

  @Get('consent-policy')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'For which purposes everybody needs a record' })
  @ApiOkResponse({ standardSchema: rest.consentPolicySchema })
  policy(@Tenant() tenantId: TenantId): Promise<rest.ConsentPolicy> {
    return this.consents.policy(tenantId);
  }

  @Put('consent-policy')
  @AdminOnly()
  @ApiOperation({ summary: 'Says for which purposes everybody needs a record; people are judged anew within a minute' })
  @ApiOkResponse({ standardSchema: rest.consentPolicySchema })
  setPolicy(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.consentPolicySchema }) body: rest.ConsentPolicy,
  ): Promise<rest.ConsentPolicy> {
    return this.consents.setPolicy(tenantId, body);
  }
}
