import { rest } from '@sightline/contracts';
import { PlatformOnly } from '@sightline/rest-server';
import { Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';

import { GalleryStates } from './gallery-states.js';

/** The gallery is one for all tenants: what is told of it would tell each of the others. */
@ApiTags('gallery')
@PlatformOnly()
@Controller('v1/gallery')
export class GalleryController {
  constructor(private readonly states: GalleryStates) {}

  @Get()
  @ApiOperation({ summary: 'Who holds the gallery, and how far each is. For the platform’s key alone' })
  @ApiOkResponse({ standardSchema: rest.galleryStateSchema })
  read(): Promise<rest.GalleryState> {
    return this.states.read();
  }

  @Post('rebuild')
  @HttpCode(202)
  @ApiOperation({
    summary:
      'Builds every gallery anew from the database, beside the one that is searched meanwhile. For the platform’s key alone',
  })
  @ApiAcceptedResponse({ standardSchema: rest.galleryStateSchema })
  rebuild(): Promise<rest.GalleryState> {
    return this.states.rebuild();
  }

  @Delete('followers/:id')
  @HttpCode(204)
  @ApiOperation({
    summary:
      'Says that a shared gallery, which no process uses any more, was deleted with all its data. For the platform’s key alone',
  })
  @ApiNoContentResponse()
  remove(@Param('id', { schema: rest.galleryFollowerIdSchema }) id: string): Promise<void> {
    return this.states.remove(id);
  }
}
