import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Caller, type RequestCaller, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import type { PageQuery } from '../http/page-cursor.js';
import { Evaluations } from './evaluations.js';
import { Proposals } from './proposals.js';
import { RetrainingPolicies } from './retraining-policies.js';

const uuid = { schema: rest.uuidSchema };

@ApiTags('retraining')
@Controller('v1')
export class RetrainingController {
  constructor(
    private readonly policies: RetrainingPolicies,
    private readonly evaluations: Evaluations,
    private readonly proposals: Proposals,
  ) {}

  @Get('retraining')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'At which sites the retraining loop is on, and what it aims at' })
  @ApiOkResponse({ standardSchema: rest.retrainingSchema })
  policy(@Tenant() tenantId: TenantId): Promise<rest.Retraining> {
    return this.policies.of(tenantId);
  }

  @Put('retraining')
  @AdminOnly()
  @ApiOperation({ summary: 'Replaces it; what is not given is as by default' })
  @ApiOkResponse({ standardSchema: rest.retrainingSchema })
  replacePolicy(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.putRetrainingSchema }) body: rest.CheckedRetraining,
  ): Promise<rest.Retraining> {
    return this.policies.replace(tenantId, body);
  }

  @Post('evaluations')
  @HttpCode(202)
  @Roles('operator')
  @ApiOperation({ summary: 'Evaluates the active release on what a set holds of one site' })
  @ApiAcceptedResponse({ standardSchema: rest.siteEvaluationSchema })
  evaluate(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.createSiteEvaluationSchema }) body: rest.CreateSiteEvaluation,
  ): Promise<rest.SiteEvaluation> {
    return this.evaluations.start(tenantId, body);
  }

  @Get('evaluations')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Evaluations, newest first' })
  @ApiOkResponse({ standardSchema: rest.siteEvaluationPageSchema })
  listEvaluations(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.SiteEvaluationPage> {
    return this.evaluations.list(tenantId, query);
  }

  @Get('evaluations/:id')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'One evaluation, with its figures once it is done' })
  @ApiOkResponse({ standardSchema: rest.siteEvaluationSchema })
  getEvaluation(@Tenant() tenantId: TenantId, @Param('id', uuid) id: string): Promise<rest.SiteEvaluation> {
    return this.evaluations.get({ tenantId, id });
  }

  @Get('proposals')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'What evaluations have come to, newest first' })
  @ApiOkResponse({ standardSchema: rest.retrainingProposalPageSchema })
  listProposals(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.retrainingProposalQuerySchema }) query: rest.RetrainingProposalQuery,
  ): Promise<rest.RetrainingProposalPage> {
    return this.proposals.list(tenantId, query);
  }

  @Get('proposals/:id')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'One proposal, with the figures that it rests on' })
  @ApiOkResponse({ standardSchema: rest.retrainingProposalSchema })
  getProposal(@Tenant() tenantId: TenantId, @Param('id', uuid) id: string): Promise<rest.RetrainingProposal> {
    return this.proposals.get(tenantId, id);
  }

  @Post('proposals/:id/accept')
  @HttpCode(200)
  @AdminOnly()
  @ApiOperation({ summary: 'Accepts a proposal: a recalibration becomes the next version of the decision policy' })
  @ApiOkResponse({ standardSchema: rest.retrainingProposalSchema })
  accept(@Caller() caller: RequestCaller, @Param('id', uuid) id: string): Promise<rest.RetrainingProposal> {
    return this.proposals.accept(caller, id);
  }

  @Post('proposals/:id/revert')
  @HttpCode(200)
  @AdminOnly()
  @ApiOperation({ summary: 'Takes an accepted proposal back' })
  @ApiOkResponse({ standardSchema: rest.retrainingProposalSchema })
  revert(@Caller() caller: RequestCaller, @Param('id', uuid) id: string): Promise<rest.RetrainingProposal> {
    return this.proposals.revert(caller, id);
  }

  @Post('proposals/:id/dismiss')
  @HttpCode(200)
  @AdminOnly()
  @ApiOperation({ summary: 'Dismisses an open proposal' })
  @ApiOkResponse({ standardSchema: rest.retrainingProposalSchema })
  dismiss(@Caller() caller: RequestCaller, @Param('id', uuid) id: string): Promise<rest.RetrainingProposal> {
    return this.proposals.dismiss(caller, id);
  }
}
