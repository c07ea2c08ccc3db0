import { rest } from '@sightline/contracts';
import type { SightingId, TenantId } from '@sightline/kernel';
import { Roles, Tenant } from '@sightline/rest-server';
import { Controller, Get, Param, Query, Sse, type MessageEvent } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Observable } from 'rxjs';

import { Audited } from '../audit/audited.js';
import type { PageQuery } from '../http/page-cursor.js';
import { LiveSightings } from './live-sightings.js';
import { Sightings } from './sightings.js';

@ApiTags('sightings')
@Controller('v1')
export class SightingsController {
  constructor(
    private readonly sightings: Sightings,
    private readonly live: LiveSightings,
  ) {}

  @Get('sightings')
  @Audited('sighting.list', { kind: 'person', query: 'personId' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Sightings, newest first' })
  @ApiOkResponse({ standardSchema: rest.sightingPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.sightingQuerySchema }) query: rest.SightingQuery,
  ): Promise<rest.SightingPage> {
    return this.sightings.list(tenantId, query);
  }

  @Sse('sightings/live')
  @Audited('sighting.follow')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'Each committed revision of a sighting, as server-sent events' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({
    standardSchema: rest.sightingSchema,
    description: 'Each event has the id `{sighting}:{revision}` and a sighting as its data, in JSON.',
  })
  stream(@Tenant() tenantId: TenantId): Observable<MessageEvent> {
    return this.live.events(tenantId);
  }

  @Get('sightings/:id')
  @Audited('sighting.read', { kind: 'sighting', param: 'id' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'One sighting' })
  @ApiOkResponse({ standardSchema: rest.sightingSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', { schema: rest.uuidSchema }) id: SightingId): Promise<rest.Sighting> {
    return this.sightings.get(tenantId, id);
  }

  @Get('quarantine')
  @Audited('quarantine.list')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'What devices sent and could not be read, newest first' })
  @ApiOkResponse({ standardSchema: rest.quarantinePageSchema })
  quarantine(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.pageQuerySchema }) query: PageQuery,
  ): Promise<rest.QuarantinePage> {
    return this.sightings.quarantined(tenantId, query);
  }
}
