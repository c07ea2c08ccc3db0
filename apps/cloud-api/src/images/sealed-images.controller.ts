import { rest } from '@sightline/contracts';
import type { TenantId } from '@sightline/kernel';
import { AdminOnly, Caller, type RequestCaller, Roles, Tenant } from '@sightline/rest-server';
import { Body, Controller, Get, Header, HttpCode, Param, Post, Put, Query, StreamableFile } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';

import { Audited } from '../audit/audited.js';
import { ImageKeys } from './image-keys.js';
import { ImageSites } from './image-sites.js';
import { SealedImages } from './sealed-images.js';

const JPEG = 'image/jpeg';
const SEALED = 'application/vnd.sightline.sealed-image';

@ApiTags('sealed images')
@Controller('v1/images')
@Roles('operator')
export class SealedImagesController {
  constructor(private readonly images: SealedImages) {}

  @Get()
  @Roles('operator', 'auditor')
  @Audited('image.list', { kind: 'sighting', query: 'sightingId' })
  @ApiOperation({ summary: 'Which images are stored, without what they show' })
  @ApiOkResponse({ standardSchema: rest.sealedImagePageSchema })
  list(
    @Tenant() tenantId: TenantId,
    @Query({ schema: rest.sealedImageQuerySchema }) query: rest.SealedImageQuery,
  ): Promise<rest.SealedImagePage> {
    return this.images.list(tenantId, query);
  }

  @Post(':digest/open')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Opens an image for a stated purpose, which the audit keeps' })
  @ApiProduces(JPEG, SEALED)
  @ApiOkResponse({
    description: `A JPEG; where the tenant keeps the private key, ${SEALED}, to be opened there.`,
    schema: { type: 'string', format: 'binary' },
  })
  async open(
    @Caller() caller: RequestCaller,
    @Param('digest', { schema: rest.imageDigestSchema }) digest: string,
    @Body({ schema: rest.openImageSchema }) body: rest.OpenImage,
  ): Promise<StreamableFile> {
    const { kind, bytes } = await this.images.open(caller, digest, body);
    return new StreamableFile(bytes, { type: kind === 'image' ? JPEG : SEALED, length: bytes.length });
  }
}

@ApiTags('sealed images')
@Controller('v1/image-sites')
export class ImageSitesController {
  constructor(private readonly sites: ImageSites) {}

  @Get()
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'What sites keep of images; a site that is not there keeps none' })
  @ApiOkResponse({ standardSchema: rest.imageSiteListSchema })
  list(@Tenant() tenantId: TenantId): Promise<rest.ImageSiteList> {
    return this.sites.list(tenantId);
  }

  @Put(':siteId')
  @AdminOnly()
  @ApiOperation({ summary: 'Turns images of a site on or off, in the place of all that was set before' })
  @ApiOkResponse({ standardSchema: rest.imageSiteSchema })
  put(
    @Tenant() tenantId: TenantId,
    @Param('siteId', { schema: rest.slugSchema }) siteId: string,
    @Body({ schema: rest.putImageSiteSchema }) body: rest.PutImageSite,
  ): Promise<rest.ImageSite> {
    return this.sites.put(tenantId, siteId, body);
  }
}

@ApiTags('sealed images')
@Controller('v1/image-keys')
export class ImageKeysController {
  constructor(
    private readonly keys: ImageKeys,
    private readonly sites: ImageSites,
  ) {}

  @Get()
  @Roles('operator', 'auditor')
  @ApiOperation({ summary: 'The public keys that boxes seal images to' })
  @ApiOkResponse({ standardSchema: rest.imageKeyListSchema })
  list(@Tenant() tenantId: TenantId): Promise<rest.ImageKeyList> {
    return this.keys.list(tenantId);
  }

  @Post('rotate')
  @HttpCode(202)
  @AdminOnly()
  @ApiOperation({ summary: 'A new key for the images to come; those that are stored stay under theirs' })
  @ApiAcceptedResponse({ standardSchema: rest.imageKeyListSchema })
  async rotate(
    @Tenant() tenantId: TenantId,
    @Body({ schema: rest.rotateImageKeySchema }) body: rest.RotateImageKey,
  ): Promise<rest.ImageKeyList> {
    await this.keys.rotate(tenantId, body);
    await this.sites.tellBoxes({ tenantId });
    return this.keys.list(tenantId);
  }
}
