import { AppError, type TenantId } from '@sightline/kernel';
import { isPublicRoute } from '@sightline/rest-server';
import { createParamDecorator, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';

import { bearerToken } from './api-key.js';
import { ApiKeys } from './api-keys.js';
import { callerOf, setPrincipal } from './caller.js';
import { isAllowed, routeAccessOf } from './roles.js';

/** The tenant for which the request is made. */
export const Tenant = createParamDecorator(
  (_: unknown, context: ExecutionContext): TenantId => callerOf(context).tenantId,
);

/** Who makes the request, and for which tenant. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) => callerOf(context));

/** Lets a REST request pass with a valid API key only, whose role the route allows. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly apiKeys: ApiKeys,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // Messages of devices come through the broker, which knows them by their own credentials.
    if (context.getType() !== 'http') return true;
    if (isPublicRoute(this.reflector, context)) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const token = bearerToken(request.headers.authorization);
    const caller = token === undefined ? undefined : await this.apiKeys.callerOf(token);
    if (caller === undefined) {
      throw new AppError('ACCESS.UNAUTHENTICATED', 'Send a valid API key: Authorization: Bearer …');
    }
    if (!isAllowed(caller.roles, routeAccessOf(this.reflector, context))) {
      throw new AppError('ACCESS.FORBIDDEN', 'The role of this API key does not allow this.');
    }
    setPrincipal(request, { kind: 'tenant', caller });
    return true;
  }
}
