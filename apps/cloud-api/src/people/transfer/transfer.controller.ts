import { Readable } from 'node:stream';

import { rest } from '@sightline/contracts';
import { AppError, type TenantId } from '@sightline/kernel';
import { AdminOnly, Tenant } from '@sightline/rest-server';
import { Controller, Get, Header, HttpCode, Post, Req, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import { Audited, AuditedChange } from '../../audit/audited.js';
import { PeopleExport } from './people-export.js';
import { PeopleImport } from './people-import.js';

const MEDIA_TYPE = 'application/x-ndjson';

/** Leaves a file of people unread until the request's key has been checked. */
export function takeTransferBodies(fastify: Pick<FastifyInstance, 'addContentTypeParser'>): void {
  fastify.addContentTypeParser(MEDIA_TYPE, (_request, body, done) => done(null, body));
}

@ApiTags('people')
@Controller('v1/people')
export class TransferController {
  constructor(
    private readonly exports: PeopleExport,
    private readonly imports: PeopleImport,
  ) {}

  @Get('export')
  @Audited('people.export')
  @AdminOnly()
  @Header('content-type', MEDIA_TYPE)
  @ApiOperation({
    summary: 'All groups and people with their templates, newline-delimited JSON; without an end line it is not whole',
  })
  @ApiProduces(MEDIA_TYPE)
  @ApiOkResponse({ standardSchema: rest.transferLineSchema, description: 'Each line is one of these, in JSON.' })
  export(@Tenant() tenantId: TenantId): StreamableFile {
    return new StreamableFile(Readable.from(this.exports.lines(tenantId), { objectMode: false }));
  }

  @Post('import')
  @AuditedChange('people.import')
  @AdminOnly()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Adds the people and templates of an export that are not there; the same file again changes nothing',
    requestBody: { required: true, content: { [MEDIA_TYPE]: { schema: { type: 'string', format: 'binary' } } } },
  })
  @ApiOkResponse({ standardSchema: rest.importResultSchema })
  import(@Tenant() tenantId: TenantId, @Req() { body }: FastifyRequest): Promise<rest.ImportResult> {
    if (!(body instanceof Readable)) {
      throw new AppError('REQUEST.UNSUPPORTED_MEDIA_TYPE', `Send the file as ${MEDIA_TYPE}.`);
    }
    return this.imports.take(tenantId, body);
  }
}
