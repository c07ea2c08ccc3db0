import { AccessGuard } from '@sightline/rest-server';
import { Module } from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';

import { DevicesModule } from '../devices/devices.module.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeys } from './api-keys.js';
import { Authentication } from './authentication.js';
import { IssuedTokens } from './issued-tokens.js';
import { RateLimits } from './rate-limits.js';
import { TenantsController } from './tenants.controller.js';
import { Tenants } from './tenants.js';
import { TokensController } from './tokens.controller.js';

@Module({
  imports: [DevicesModule],
  controllers: [ApiKeysController, TenantsController, TokensController],
  providers: [
    ApiKeys,
    Authentication,
    IssuedTokens,
    RateLimits,
    Tenants,
    {
      provide: APP_GUARD,
      inject: [Reflector, Authentication, RateLimits],
      useFactory: (reflector: Reflector, authentication: Authentication, rateLimits: RateLimits) =>
        new AccessGuard(reflector, {
          principalOf: (request) => authentication.principalOf(request),
          admit: (request, reply) => rateLimits.count(request, reply),
        }),
    },
  ],
  exports: [ApiKeys, Authentication],
})
export class AccessModule {}
