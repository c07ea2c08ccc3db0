import { rest } from '@sightline/contracts';
import { AppError, type PersonId, type SightingId, type TenantId } from '@sightline/kernel';
import { Caller, parsePart, type RequestCaller, Roles, Tenant } from '@sightline/rest-server';
import { Controller, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { Audited } from '../audit/audited.js';
import type { PageQuery } from '../http/page-cursor.js';
import { PhotoIntake } from '../http/photo-intake.js';
import { isPhotoBody, type FormShape, type PhotoForm } from '../http/photo-upload.js';
import { whileConnected } from '../http/while-connected.js';
import { PhotoSearch } from './photo-search.js';
import { searchBody } from './search-body.js';
import { SearchStore } from './search-store.js';

const shape: FormShape = {
  photos: ['photo'],
  fields: Object.keys(rest.photoSearchFieldsSchema.shape),
  sentence: 'The form has the file "photo", the fields "purpose" and "reason", and filters.',
};
const idSchema = { schema: rest.uuidSchema };

@ApiTags('searches')
@Controller('v1/searches')
export class SearchesController {
  constructor(
    private readonly photoSearch: PhotoSearch,
    private readonly store: SearchStore,
    private readonly photos: PhotoIntake,
  ) {}

  // In the audit from its begin: see SearchStore.
  @Post()
  @Roles('operator')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Whose face it is, and in which sightings it was seen: of a photo, a sighting or a person',
    requestBody: searchBody,
  })
  @ApiOkResponse({ standardSchema: rest.searchResultSchema })
  search(@Caller() caller: RequestCaller, @Req() request: FastifyRequest): Promise<rest.SearchResult> {
    if (request.isMultipart() || isPhotoBody(request)) {
      return this.photos.takeForm(request, caller, shape, (form, turn) =>
        this.photoSearch.search(caller, withPhoto(form), turn),
      );
    }
    const asked = withoutPhoto(parsePart(rest.searchRequestSchema, request.body, 'body'));
    return whileConnected(request, (signal) =>
      this.photoSearch.search(caller, asked, { client: caller.actor, signal }),
    );
  }

  // The reasons are free text, which may name somebody.
  @Get()
  @Audited('search.list')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Who searched, when and what for, and what came of it in numbers; newest first' })
  @ApiOkResponse({ standardSchema: rest.searchPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.SearchPage> {
    return this.store.list(tenantId, query);
  }

  @Get(':id')
  @Audited('search.read', { kind: 'search', param: 'id' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'One search' })
  @ApiOkResponse({ standardSchema: rest.searchSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: string): Promise<rest.Search> {
    return this.store.get({ tenantId, id });
  }

  @Get(':id/sightings')
  @Audited('search.sightings', { kind: 'search', param: 'id' })
  @Roles('operator')
  @ApiOperation({ summary: 'The sightings that a search found, best first, for an hour' })
  @ApiOkResponse({ standardSchema: rest.foundSightingPageSchema })
  async sightings(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: string,
    @Query({ schema: rest.foundSightingQuerySchema }) query: rest.FoundSightingQuery,
  ): Promise<rest.FoundSightingPage> {
    await this.store.get({ tenantId, id });
    return this.store.sightings({ tenantId, id }, query);
  }
}

function withPhoto({ photos, fields }: PhotoForm) {
  const photo = photos.get('photo');
  if (photo === undefined) throw new AppError('REQUEST.INVALID', shape.sentence);
  const { face, ...others } = parsePart(rest.photoSearchFieldsSchema, Object.fromEntries(fields), 'form');
  return { with: { kind: 'photo', photo, face } as const, fields: others };
}

function withoutPhoto(asked: rest.SearchRequest) {
  if ('sightingId' in asked) {
    const { sightingId, ...fields } = asked;
    return { with: { kind: 'sighting', sightingId: sightingId as SightingId } as const, fields };
  }
  const { personId, ...fields } = asked;
  return { with: { kind: 'person', personId: personId as PersonId } as const, fields };
}
