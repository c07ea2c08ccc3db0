import { rest } from '@sightline/contracts';
import { AppError, type PersonId } from '@sightline/kernel';
import { Caller, parsePart, type RequestCaller, Roles } from '@sightline/rest-server';
import { Controller, HttpCode, Post, Query, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { Audited } from '../audit/audited.js';
import { verificationBody } from '../http/photo-body.js';
import { PhotoIntake } from '../http/photo-intake.js';
import type { FormShape, PhotoForm } from '../http/photo-upload.js';
import { Verification, type Reference, type VerificationRequest } from './verification.js';
import { fromRestTemplate } from './wire.js';

const shape: FormShape = {
  photos: ['photo', 'reference'],
  fields: ['personId', 'template'],
  sentence:
    'The form has the file "photo" and exactly one of the file "reference", the field "personId" and the field "template".',
};

@ApiTags('faces')
@Controller('v1/verify')
export class VerifyController {
  constructor(
    private readonly verification: Verification,
    private readonly photos: PhotoIntake,
  ) {}

  @Post()
  @Audited('photo.verify')
  @Roles('operator')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Whether two are the same person: two photos, or a photo and a person or template; nothing is kept',
    requestBody: verificationBody,
  })
  @ApiOkResponse({ standardSchema: rest.verifyResponseSchema })
  verify(
    @Caller() caller: RequestCaller,
    @Query({ schema: rest.verifyQuerySchema }) query: rest.VerifyQuery,
    @Req() request: FastifyRequest,
  ): Promise<rest.VerifyResponse> {
    return this.photos.takeForm(request, caller, shape, (form, turn) =>
      this.verification.verify(caller.tenantId, { ...query, ...partsOf(form) }, turn),
    );
  }
}

function partsOf({ photos, fields }: PhotoForm): Pick<VerificationRequest, 'photo' | 'reference'> {
  const photo = photos.get('photo');
  const other = photos.get('reference');
  const references: Reference[] = other === undefined ? [] : [{ kind: 'photo', photo: other }];
  for (const [name, value] of fields) references.push(fieldReference(name, value));
  const [reference, ...more] = references;
  if (photo === undefined || reference === undefined || more.length > 0) {
    throw new AppError('REQUEST.INVALID', shape.sentence);
  }
  return { photo, reference };
}

function fieldReference(name: string, value: unknown): Reference {
  if (name === 'personId') {
    return { kind: 'person', personId: parsePart(rest.uuidSchema, value, name) as PersonId };
  }
  return { kind: 'template', template: fromRestTemplate(parsePart(rest.templateSchema, parsedJson(value), name)) };
}

/** The parser of forms has parsed a part that says that it is JSON already. */
function parsedJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch (error) {
    throw new AppError('REQUEST.INVALID', 'The field "template" is no JSON.', { cause: error });
  }
}
