import { Controller, Get, Param } from '@nestjs/common';
import { Roles } from '@sightline/rest-server';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { ReleaseLibrary } from './release-library.js';
import { releaseListSchema, releaseSchema, releaseView, versionSchema, type Release } from './release.schemas.js';

@ApiTags('releases')
@Roles('operator', 'auditor')
@Controller('v1/releases')
export class ReleasesController {
  constructor(private readonly library: ReleaseLibrary) {}

  @Get()
  @ApiOperation({ summary: 'Every published release' })
  @ApiOkResponse({ standardSchema: releaseListSchema })
  list(): { items: Release[] } {
    return { items: this.library.all().map(releaseView) };
  }

  @Get(':version')
  @ApiOperation({ summary: 'One release: its models, their origin and licence, and its thresholds' })
  @ApiOkResponse({ standardSchema: releaseSchema })
  get(@Param('version', { schema: versionSchema }) version: string): Release {
    return releaseView(this.library.byVersion(version));
  }
}
