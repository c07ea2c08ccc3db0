import { Readable } from 'node:stream';

import { rest, type DeviceAddress } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';
import { Caller, type RequestCaller, Roles } from '@sightline/rest-server';
import { Controller, Head, Header, Headers, HttpCode, Param, Patch, Post, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { ImageUploads } from './image-uploads.js';
import { announcedDigest, announcedLength, checksumOf, offsetOf, requireVersion, TUS_VERSION } from './tus-headers.js';

const MEDIA_TYPE = 'application/offset+octet-stream';
const PATH = '/v1/image-uploads';
const digestParam = { schema: rest.imageDigestSchema };
const version = { name: 'Tus-Resumable', description: TUS_VERSION, schema: { type: 'string' } } as const;

/** Leaves a part unread until the request's credentials have been checked. */
export function takeImageBodies(fastify: Pick<FastifyInstance, 'addContentTypeParser'>): void {
  fastify.addContentTypeParser(MEDIA_TYPE, (_request, body, done) => done(null, body));
}

/**
 * Uploads of sealed images, for boxes: tus resumable uploads 1.0.0 (tus.io), the core protocol with the extensions
 * creation and checksum. The digest of an image names its upload, so that to begin it again is to go on with it.
 */
@ApiTags('sealed images')
@ApiHeader(version)
@Controller(PATH)
@Roles('device')
export class ImageUploadsController {
  constructor(private readonly uploads: ImageUploads) {}

  @Post()
  @Header('tus-resumable', TUS_VERSION)
  @HttpCode(204)
  @ApiHeader({ name: 'Upload-Length', description: 'Bytes of the sealed image.', schema: { type: 'string' } })
  @ApiHeader({
    name: 'Upload-Metadata',
    description: 'digest and, in base64, the SHA-256 of the sealed image in hexadecimal.',
    schema: { type: 'string' },
  })
  @ApiOperation({ summary: 'Begins the upload of an image that a sighting of the device refers to, or finds it' })
  @ApiNoContentResponse({ description: 'Location names the upload; Upload-Offset says what is there of it.' })
  async begin(
    @Caller() caller: RequestCaller,
    @Headers() headers: FastifyRequest['headers'],
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    requireVersion(headers);
    const digest = announcedDigest(headers);
    const { offset } = await this.uploads.begin(boxOf(caller), digest, announcedLength(headers));
    void reply.status(201).headers({ location: `${PATH}/${digest}`, 'upload-offset': offset });
  }

  @Head(':digest')
  @Header('tus-resumable', TUS_VERSION)
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'How far an upload has come' })
  @ApiOkResponse({ description: 'Upload-Offset and Upload-Length say it, in bytes.' })
  async state(
    @Caller() caller: RequestCaller,
    @Param('digest', digestParam) digest: string,
    @Headers() headers: FastifyRequest['headers'],
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    requireVersion(headers);
    const { offset, length } = await this.uploads.state(boxOf(caller), digest);
    void reply.headers({ 'upload-offset': offset, 'upload-length': length });
  }

  @Patch(':digest')
  @HttpCode(204)
  @Header('tus-resumable', TUS_VERSION)
  @ApiHeader({ name: 'Upload-Offset', description: 'Where the part belongs.', schema: { type: 'string' } })
  @ApiHeader({ name: 'Upload-Checksum', description: 'Of the part: sha256 or sha1, and its digest in base64.' })
  @ApiOperation({
    summary: 'Goes on with an upload; with its last byte the image is stored',
    requestBody: { required: true, content: { [MEDIA_TYPE]: { schema: { type: 'string', format: 'binary' } } } },
  })
  @ApiNoContentResponse({ description: 'Upload-Offset says what is there now.' })
  async append(
    @Caller() caller: RequestCaller,
    @Param('digest', digestParam) digest: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const { headers, body, raw } = request;
    try {
      requireVersion(headers);
      if (!(body instanceof Readable)) {
        throw new AppError('REQUEST.UNSUPPORTED_MEDIA_TYPE', `Send the part as ${MEDIA_TYPE}.`);
      }
      const part = { offset: offsetOf(headers), checksum: checksumOf(headers), body };
      const { offset } = await this.uploads.append(boxOf(caller), digest, part);
      void reply.header('upload-offset', offset);
    } catch (error) {
      // What nobody reads would stand before the connection's next request for ever.
      raw.unpipe();
      raw.resume();
      throw error;
    }
  }
}

/** @throws AppError `ACCESS.FORBIDDEN` for an admin, who is no box */
function boxOf({ tenantId, deviceId }: RequestCaller): DeviceAddress {
  if (deviceId === undefined) throw new AppError('ACCESS.FORBIDDEN', 'Devices alone upload images.');
  return { tenantId, deviceId };
}
