import { AppError, type TenantId } from '@sightline/kernel';
import { isPublicRoute } from '@sightline/rest-server';
import { createParamDecorator, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { Authentication } from './authentication.js';
import { callerOf, setPrincipal, type Principal } from './caller.js';
import { RateLimits } from './rate-limits.js';
import { isAllowed, routeAccessOf, type RouteAccess } from './roles.js';

/** The tenant for which the request is made. */
export const Tenant = createParamDecorator(
  (_: unknown, context: ExecutionContext): TenantId => callerOf(context).tenantId,
);

/** Who makes the request, and for which tenant. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) => callerOf(context));

/** Lets a REST request pass with valid credentials only, whose role the route allows. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authentication: Authentication,
    private readonly rateLimits: RateLimits,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // Messages of devices come through the broker, which knows them by their own credentials.
    if (context.getType() !== 'http') return true;
    if (isPublicRoute(this.reflector, context)) return true;
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const principal = await this.authentication.principalOf(request);
    setPrincipal(request, principal);
    await this.rateLimits.count(request, http.getResponse<FastifyReply>());
    if (!mayUse(principal, routeAccessOf(this.reflector, context))) {
      throw new AppError('ACCESS.FORBIDDEN', 'The role of these credentials does not allow this.');
    }
    return true;
  }
}

function mayUse(principal: Principal, access: RouteAccess | undefined): boolean {
  if (principal.kind === 'platform') return access?.kind === 'platform';
  return isAllowed(principal.caller.roles, access);
}
