import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Controller, Get, Header, HttpCode, Param, Post, Query, Req, StreamableFile } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { Audited, AuditedChange } from '../../audit/audited.js';
import { csvFile } from '../../http/csv.js';
import type { PageQuery } from '../../http/page-cursor.js';
import { BulkEnrolments } from './bulk-enrolments.js';
import { enrolmentBody } from './enrolment-body.js';

const idSchema = { schema: rest.uuidSchema };

@ApiTags('people')
@Controller('v1/enrolments')
export class BulkEnrolmentsController {
  constructor(private readonly enrolments: BulkEnrolments) {}

  @Post()
  @AuditedChange('enrolment.receive', { kind: 'enrolment', result: 'id' })
  @Roles('operator')
  @HttpCode(202)
  @ApiOperation({ summary: 'Enrols the people of a table with their photos, by a job', requestBody: enrolmentBody })
  @ApiAcceptedResponse({ standardSchema: rest.bulkEnrolmentSchema })
  receive(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.bulkEnrolmentQuerySchema }) query: rest.BulkEnrolmentQuery,
    @Req() request: FastifyRequest,
  ): Promise<rest.BulkEnrolment> {
    return this.enrolments.receive(tenantId, request, query);
  }

  @Get()
  @Audited('enrolment.list')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'The enrolments in bulk, newest first' })
  @ApiOkResponse({ standardSchema: rest.bulkEnrolmentPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.BulkEnrolmentPage> {
    return this.enrolments.list(tenantId, query);
  }

  @Get(':id')
  @Audited('enrolment.read', { kind: 'enrolment', param: 'id' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'How far an enrolment is' })
  @ApiOkResponse({ standardSchema: rest.bulkEnrolmentSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<rest.BulkEnrolment> {
    return this.enrolments.get({ tenantId, id });
  }

  @Get(':id/rows')
  @Audited('enrolment.rows', { kind: 'enrolment', param: 'id' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'What became of its rows, by their number' })
  @ApiOkResponse({ standardSchema: rest.enrolmentRowPageSchema })
  rows(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: string,
    @Query({ schema: rest.enrolmentRowsQuerySchema }) query: rest.EnrolmentRowsQuery,
  ): Promise<rest.EnrolmentRowPage> {
    return this.enrolments.rows({ tenantId, id }, query);
  }

  @Get(':id/rows.csv')
  @Audited('enrolment.rows', { kind: 'enrolment', param: 'id' })
  @Roles('operator', 'auditor')
  @Header('content-type', 'text/csv; charset=utf-8')
  @ApiOperation({ summary: 'What became of all its rows, as a table' })
  @ApiProduces('text/csv')
  @ApiOkResponse({ standardSchema: rest.enrolmentRowSchema, description: 'A row for each of these, with a head.' })
  async table(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<StreamableFile> {
    const key = { tenantId, id };
    await this.enrolments.get(key);
    return csvFile(this.enrolments.allRows(key), ['row', 'outcome', 'code', 'personId', 'faceId']);
  }

  @Post(':id/cancel')
  @AuditedChange('enrolment.cancel', { kind: 'enrolment', param: 'id' })
  @Roles('operator')
  @HttpCode(200)
  @ApiOperation({ summary: 'Stops an enrolment: rows that are done stay, its files are deleted' })
  @ApiOkResponse({ standardSchema: rest.bulkEnrolmentSchema })
  cancel(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<rest.BulkEnrolment> {
    return this.enrolments.cancel({ tenantId, id });
  }
}
