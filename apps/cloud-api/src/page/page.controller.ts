import { AppError } from '@sightline/kernel';
import { Public } from '@sightline/rest-server';
import { Controller, Get, Headers, Inject, Param, Redirect, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import { PAGE_ASSETS, type PageAssets } from './page-assets.js';

/**
 * The page may load its own script and style and talk to its own origin: nothing inline, no image, no frame. A form
 * that is sent by the browser itself (because the script failed) would put the API key into an address.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': contentSecurityPolicy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** The page that shows live sightings and devices. It holds no data: the browser asks for those with an API key. */
@ApiExcludeController()
@Public()
@Controller()
export class PageController {
  constructor(@Inject(PAGE_ASSETS) private readonly assets: PageAssets) {}

  /** Relative, so that it also leads there below a proxy's prefix. */
  @Get()
  @Redirect('live', 302)
  root(): void {
    // The redirection is all.
  }

  @Get('live')
  page(@Headers('if-none-match') known: string | undefined, @Res() reply: FastifyReply): FastifyReply {
    return this.#send('page.html', known, reply);
  }

  /** @throws AppError `REQUEST.NOT_FOUND` */
  @Get('live/:name')
  asset(
    @Param('name') name: string,
    @Headers('if-none-match') known: string | undefined,
    @Res() reply: FastifyReply,
  ): FastifyReply {
    return this.#send(name, known, reply);
  }

  #send(name: string, known: string | undefined, reply: FastifyReply): FastifyReply {
    const asset = this.assets.get(name);
    if (asset === undefined) throw new AppError('REQUEST.NOT_FOUND', 'The page has no such file.');
    // Kept, but asked about each time: files of two versions never work together.
    void reply.headers({ ...securityHeaders, etag: asset.etag, 'cache-control': 'no-cache' });
    if (known?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === asset.etag)) return reply.status(304).send();
    return reply.type(asset.mediaType).send(asset.bytes);
  }
}
