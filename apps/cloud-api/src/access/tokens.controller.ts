import { rest } from '@sightline/contracts';
import { AppError } from '@sightline/kernel';
import { principalOf, Public, Roles } from '@sightline/rest-server';
import { Controller, Get, Post, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { IssuedTokens } from './issued-tokens.js';

@ApiTags('access')
@Controller()
export class TokensController {
  constructor(private readonly issuedTokens: IssuedTokens) {}

  @Post('v1/tokens')
  @Roles('operator', 'auditor', 'device')
  @ApiOperation({ summary: 'A token of 15 minutes that stands for the API key of this request' })
  @ApiCreatedResponse({ standardSchema: rest.issuedTokenSchema })
  issue(@Req() request: FastifyRequest): Promise<rest.IssuedToken> {
    const principal = principalOf(request);
    // A token that got the next one would outlive everything that it stands for.
    if (principal?.kind !== 'tenant' || principal.credential !== 'key') {
      throw new AppError('ACCESS.FORBIDDEN', 'A token is issued for an API key, not for another token.');
    }
    return this.issuedTokens.issue(principal.caller);
  }

  @Get('.well-known/jwks.json')
  @Public()
  @ApiOperation({ summary: 'The public keys by which our tokens are verified', security: [] })
  @ApiOkResponse({ standardSchema: rest.jwksSchema })
  jwks(): Promise<rest.Jwks> {
    return this.issuedTokens.jwks();
  }
}
