import { rest } from '@sightline/contracts';
import { Caller, Roles, type RequestCaller } from '@sightline/rest-server';
import { Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { ModelImports } from './model-imports.js';
import { useAllowedBy } from './licence.js';
import { catalogEntries, catalogEntry, catalogSchema, type CatalogEntry } from './model-catalog.js';
import { importedModelSchema, type ImportedModel } from './model-manifest.js';

@ApiTags('models')
@Roles('operator', 'auditor')
@Controller('v1/catalog')
export class CatalogController {
  constructor(private readonly imports: ModelImports) {}

  @Get()
  @ApiOperation({ summary: 'Open models that are known here, with their source, checksum, licence and specification' })
  @ApiOkResponse({ standardSchema: catalogSchema })
  list(): { readonly items: readonly CatalogEntry[] } {
    const items = catalogEntries.map((entry) => ({ ...entry, use: useAllowedBy(entry.manifest.licence) }));
    return { items };
  }

  @Post(':id/fetch')
  @Roles()
  @HttpCode(202)
  @ApiOperation({ summary: 'Fetches a model of the catalog from its source and imports it, by a job' })
  @ApiAcceptedResponse({ standardSchema: importedModelSchema })
  fetch(@Caller() caller: RequestCaller, @Param('id', { schema: rest.slugSchema }) id: string): Promise<ImportedModel> {
    const { manifest, source } = catalogEntry(id);
    return this.imports.begin(caller, { manifest, source }, { catalog: id });
  }
}
