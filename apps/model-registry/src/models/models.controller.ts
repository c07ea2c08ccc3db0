import { Caller, Roles, Tenant, type RequestCaller } from '@sightline/rest-server';
import { rest } from '@sightline/contracts';
import { AppError, type Sha256, type TenantId } from '@sightline/kernel';
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Req } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiConsumes,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';

import { BlobStore, type Blob } from './blob-store.js';
import { DeployPolicies } from './licence.js';
import {
  blobSchema,
  deployPolicySchema,
  digestSchema,
  importedModelSchema,
  modelListSchema,
  modelSchema,
  newModelSchema,
  type DeployPolicy,
  type ImportedModel,
  type Model,
  type NewModel,
} from './model-manifest.js';
import { ModelImports } from './model-imports.js';
import { Models } from './models.js';

/** Largest file of a model, bytes: the largest open face embedders have about 260 MB. */
const LARGEST_MODEL_BYTES = 512 * 1024 * 1024;

@ApiTags('models')
@Roles('operator', 'auditor')
@Controller('v1')
export class ModelsController {
  constructor(
    private readonly models: Models,
    private readonly blobs: BlobStore,
    private readonly imports: ModelImports,
    private readonly policies: DeployPolicies,
  ) {}

  @Put('blobs/:sha256')
  @Roles()
  @ApiOperation({ summary: 'Takes a file, which is known by its SHA-256 from then on. The same again changes nothing' })
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiOkResponse({ standardSchema: blobSchema })
  async upload(
    @Caller() caller: RequestCaller,
    @Param('sha256', { schema: digestSchema }) sha256: string,
    @Req() request: FastifyRequest,
  ): Promise<Blob> {
    if (!(request.body instanceof Readable)) {
      throw new AppError('REQUEST.UNSUPPORTED_MEDIA_TYPE', 'Send the file as application/octet-stream.');
    }
    const blob = await this.blobs.put(request.body, LARGEST_MODEL_BYTES, sha256 as Sha256);
    await this.models.uploaded(caller, blob);
    return blob;
  }

  @Post('models')
  @Roles()
  @HttpCode(202)
  @ApiOperation({
    summary: 'Imports an uploaded ONNX file: looked at, rewritten, and proven to answer as before, by a job',
  })
  @ApiAcceptedResponse({ standardSchema: importedModelSchema })
  create(@Caller() caller: RequestCaller, @Body({ schema: newModelSchema }) body: NewModel): Promise<ImportedModel> {
    return this.imports.begin(caller, body);
  }

  @Get('models')
  @ApiOperation({ summary: 'The models of the tenant with their variants, newest first' })
  @ApiOkResponse({ standardSchema: modelListSchema })
  async list(@Tenant() tenantId: TenantId): Promise<{ readonly items: readonly Model[] }> {
    return { items: await this.models.list(tenantId) };
  }

  @Get('models/:id')
  @ApiOperation({ summary: 'One model: its manifest, and its variants with what was measured of each' })
  @ApiOkResponse({ standardSchema: modelSchema })
  get(@Tenant() tenantId: TenantId, @Param('id', { schema: rest.uuidSchema }) id: string): Promise<Model> {
    return this.models.get(tenantId, id);
  }

  @Delete('models/:id')
  @Roles()
  @HttpCode(204)
  @ApiOperation({ summary: 'Forgets a model and its variants; releases that have them keep them' })
  @ApiNoContentResponse()
  remove(@Caller() caller: RequestCaller, @Param('id', { schema: rest.uuidSchema }) id: string): Promise<void> {
    return this.models.remove(caller, id);
  }

  @Get('deploy-policy')
  @ApiOperation({ summary: 'What the tenant uses models for' })
  @ApiOkResponse({ standardSchema: deployPolicySchema })
  policy(@Tenant() tenantId: TenantId): Promise<DeployPolicy> {
    return this.policies.of(tenantId);
  }

  @Put('deploy-policy')
  @Roles()
  @ApiOperation({ summary: 'Says what the tenant uses models for: for gain, only open licences are taken' })
  @ApiOkResponse({ standardSchema: deployPolicySchema })
  async setPolicy(
    @Caller() caller: RequestCaller,
    @Body({ schema: deployPolicySchema }) body: DeployPolicy,
  ): Promise<DeployPolicy> {
    await this.policies.set(caller, body);
    return body;
  }
}
