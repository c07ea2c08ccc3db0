import { Readable } from 'node:stream';

import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Caller, type RequestCaller, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query, StreamableFile } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProduces,
  ApiTags,
} from '@nestjs/swagger';

import { Audited } from '../audit/audited.js';
import type { PageQuery } from '../http/page-cursor.js';
import { LabelledSets } from './labelled-sets.js';

const MEDIA_TYPE = 'application/x-ndjson';
const uuid = { schema: rest.uuidSchema };

@ApiTags('retraining')
@Controller('v1/labelled-sets')
export class LabelledSetsController {
  constructor(private readonly sets: LabelledSets) {}

  @Post()
  @Roles('operator')
  @ApiOperation({ summary: 'Takes the reviewed sightings of some sites into a set' })
  @ApiCreatedResponse({ standardSchema: rest.labelledSetSchema })
  create(
    @Caller() caller: RequestCaller,
    @Body({ schema: rest.createLabelledSetSchema }) body: rest.CreateLabelledSet,
  ): Promise<rest.LabelledSet> {
    return this.sets.create(caller, body);
  }

  @Get()
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Labelled sets, newest first' })
  @ApiOkResponse({ standardSchema: rest.labelledSetPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.LabelledSetPage> {
    return this.sets.list(tenantId, query);
  }

  @Get(':id')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'One set: what it holds, and how many left it' })
  @ApiOkResponse({ standardSchema: rest.labelledSetSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', uuid) id: string): Promise<rest.LabelledSet> {
    return this.sets.get({ tenantId, id });
  }

  @Get(':id/export')
  @Audited('labelled-set.export', { kind: 'labelled-set', param: 'id' })
  @Roles('operator', 'auditor')
  @Header('content-type', MEDIA_TYPE)
  @ApiOperation({ summary: 'Ids and labels of an approved set, newline-delimited JSON; no names, templates or images' })
  @ApiProduces(MEDIA_TYPE)
  @ApiOkResponse({ standardSchema: rest.labelledMemberSchema, description: 'Each line is one of these, in JSON.' })
  async export(@Tenant() tenantId: TenantId, @Param('id', uuid) id: string): Promise<StreamableFile> {
    return new StreamableFile(Readable.from(await this.sets.export({ tenantId, id }), { objectMode: false }));
  }

  @Post(':id/approval')
  @HttpCode(200)
  @Roles('auditor')
  @ApiOperation({ summary: 'Approves the purpose of a set that somebody else has made, so that it may be exported' })
  @ApiOkResponse({ standardSchema: rest.labelledSetSchema })
  approve(@Caller() caller: RequestCaller, @Param('id', uuid) id: string): Promise<rest.LabelledSet> {
    return this.sets.approve(caller, id);
  }

  @Delete(':id')
  @HttpCode(204)
  @AdminOnly()
  @ApiOperation({ summary: 'Deletes a set, and the probes that were kept for it alone' })
  @ApiNoContentResponse()
  remove(@Tenant() tenantId: TenantId, @Param('id', uuid) id: string): Promise<void> {
    return this.sets.remove({ tenantId, id });
  }
}
