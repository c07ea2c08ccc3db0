import { rest } from '@sightline/contracts';
import type { PersonId, SightingId, TenantId } from '@sightline/kernel';
import { Caller, type RequestCaller, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { Audited, AuditedChange } from '../audit/audited.js';
import { fromRestTemplate } from '../faces/wire.js';
import { photoBody } from '../http/photo-body.js';
import { PhotoIntake } from '../http/photo-intake.js';
import { Enrolment } from './enrolment.js';
import { People } from './people.js';
import { SightingEnrolment } from './sighting-enrolment.js';

const idSchema = { schema: rest.uuidSchema };

@ApiTags('people')
@Controller('v1/people')
export class PeopleController {
  constructor(
    private readonly people: People,
    private readonly enrolment: Enrolment,
    private readonly sightings: SightingEnrolment,
    private readonly photos: PhotoIntake,
  ) {}

  @Post()
  @AuditedChange('person.create', { kind: 'person', result: 'id' })
  @Roles('operator')
  @ApiOperation({ summary: 'Adds a person' })
  @ApiCreatedResponse({ standardSchema: rest.personSchema })
  create(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.createPersonSchema }) body: rest.CreatePerson,
  ): Promise<rest.Person> {
    return this.people.create(tenantId, body);
  }

  @Get()
  @Audited('person.list')
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'The people, newest first: all, or those with a name, an external id, a group, at a site' })
  @ApiOkResponse({ standardSchema: rest.personPageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.searchPeopleQuerySchema }) query: rest.SearchPeopleQuery,
  ): Promise<rest.PersonPage> {
    return this.people.search(tenantId, query);
  }

  @Get(':id')
  @Audited('person.read', { kind: 'person', param: 'id' })
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'One person' })
  @ApiOkResponse({ standardSchema: rest.personSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', idSchema) id: PersonId): Promise<rest.Person> {
    return this.people.get(tenantId, id);
  }

  @Patch(':id')
  @AuditedChange('person.change', { kind: 'person', param: 'id' })
  @Roles('operator')
  @ApiOperation({ summary: 'Changes what is given of a person; boxes hear of other sites and groups within seconds' })
  @ApiOkResponse({ standardSchema: rest.personSchema })
  change(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: PersonId,
    @Body({ schema: rest.changePersonSchema }) body: rest.ChangePerson,
  ): Promise<rest.Person> {
    return this.people.change(tenantId, id, body);
  }

  // Audited by the erasure's id alone, in its transaction: an entry with the person's would tie the two for ever.
  @Delete(':id')
  @Roles('operator')
  @HttpCode(204)
  @ApiOperation({ summary: 'Removes a person and all their templates; their sightings stay without a name' })
  @ApiNoContentResponse({
    headers: { Location: { description: 'The erasure and its proof.', schema: { type: 'string' } } },
  })
  async remove(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: PersonId,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    reply.header('location', `/v1/erasures/${await this.people.remove(tenantId, id)}`);
  }

  @Post(':id/faces')
  @AuditedChange('person.enrol', { kind: 'person', param: 'id' })
  @Roles('operator')
  @ApiOperation({ summary: 'Enrols the one face of a photo', requestBody: photoBody })
  @ApiCreatedResponse({ standardSchema: rest.enrolledFaceSchema })
  enrol(
    @Caller() caller: RequestCaller,
    @Param('id', idSchema) id: PersonId,
    @Req() request: FastifyRequest,
  ): Promise<rest.EnrolledFace> {
    return this.photos.take(request, caller, (photo, turn) => this.enrolment.enrol(caller.tenantId, id, photo, turn));
  }

  @Post(':id/templates')
  @AuditedChange('person.enrol', { kind: 'person', param: 'id' })
  @Roles('operator')
  @ApiOperation({ summary: 'Enrols a template, as POST /v1/embeddings gives it' })
  @ApiCreatedResponse({ standardSchema: rest.enrolledFaceSchema })
  enrolTemplate(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: PersonId,
    @Body({ schema: rest.enrolTemplateSchema }) { template }: rest.EnrolTemplate,
  ): Promise<rest.EnrolledFace> {
    return this.enrolment.enrolTemplate(tenantId, id, fromRestTemplate(template));
  }

  @Post(':id/faces/from-sighting')
  @AuditedChange('person.enrol', { kind: 'person', param: 'id' })
  @Roles('operator')
  @ApiOperation({ summary: 'Enrols the face of a sighting that a review says is of this person' })
  @ApiCreatedResponse({ standardSchema: rest.enrolledFaceSchema })
  enrolFromSighting(
    @Tenant() tenantId: TenantId,
    @Param('id', idSchema) id: PersonId,
    @Body({ schema: rest.enrolFromSightingSchema }) { sightingId }: rest.EnrolFromSighting,
  ): Promise<rest.EnrolledFace> {
    return this.sightings.enrol(tenantId, id, sightingId as SightingId);
  }
}
