import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Caller, type RequestCaller, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';

import { Audited } from '../audit/audited.js';
import { DecisionPolicies } from './decision-policies.js';
import { Explanations } from './explanations.js';
import { Reviews } from './reviews.js';

const idSchema = { schema: rest.identificationIdSchema };
const idParameter = {
  name: 'id',
  description: 'The id of a sighting, a colon and a revision.',
  example: '0190b5f0-0000-7000-8000-00000000000a:1',
  schema: { type: 'string' },
} as const;

@ApiTags('identification')
@Controller('v1')
export class IdentificationsController {
  constructor(
    private readonly explanations: Explanations,
    private readonly reviews: Reviews,
    private readonly policies: DecisionPolicies,
  ) {}

  @Get('identifications')
  @Roles('operator', 'auditor')
  @Audited('identification.list', { kind: 'sighting', query: 'sightingId' })
  @ApiOperation({ summary: "How a sighting's revisions were decided, the last first" })
  @ApiOkResponse({ standardSchema: rest.identificationPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.identificationQuerySchema }) query: rest.IdentificationQuery,
  ): Promise<rest.IdentificationPage> {
    return this.explanations.list(tenantId, query);
  }

  @Get('identifications/:id')
  @Roles('operator', 'auditor')
  @Audited('identification.read', { kind: 'identification', param: 'id' })
  @ApiOperation({ summary: 'How one decision came about, rule by rule' })
  @ApiParam(idParameter)
  @ApiOkResponse({ standardSchema: rest.identificationSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: rest.IdentificationId): Promise<rest.Identification> {
    return this.explanations.get(tenantId, id);
  }

  @Post('identifications/:id/review')
  @HttpCode(200)
  @Roles('operator')
  @ApiOperation({ summary: 'Says whether a decision was right; whom it excludes is remembered as a hard negative' })
  @ApiParam(idParameter)
  @ApiOkResponse({ standardSchema: rest.identificationSchema })
  review(
    @Caller() caller: RequestCaller,
    @Param('id', idSchema) id: rest.IdentificationId,
    @Body({ schema: rest.reviewIdentificationSchema }) body: rest.ReviewIdentification,
  ): Promise<rest.Identification> {
    return this.reviews.review(caller, id, body);
  }

  @Get('decision-policy')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'How decisions are made, with what holds by default' })
  @ApiOkResponse({ standardSchema: rest.decisionPolicySchema })
  policy(@Tenant() tenantId: TenantId): Promise<rest.DecisionPolicy> {
    return this.policies.show(tenantId);
  }

  @Put('decision-policy')
  @AdminOnly()
  @ApiOperation({ summary: 'Replaces how decisions are made; every process follows within two seconds' })
  @ApiOkResponse({ standardSchema: rest.decisionPolicySchema })
  replacePolicy(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.putDecisionPolicySchema }) body: rest.CheckedDecisionPolicy,
  ): Promise<rest.DecisionPolicy> {
    return this.policies.replace(tenantId, body);
  }
}
