import { AppError } from '@sightline/kernel';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { isPublicRoute } from '../public-route.js';
import { setPrincipal, type Principal } from './caller.js';
import { isAllowed, routeAccessOf, type RouteAccess } from './roles.js';

export interface AccessGuardParts {
  /** Finds out who makes a request; throws for whom it does not know. */
  readonly principalOf: (request: FastifyRequest) => Promise<Principal>;
  /** Called once that is known, before the route's roles are looked at. Default: nothing. */
  readonly admit?: (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
}

/** Lets a REST request pass with valid credentials only, whose role the route allows. */
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly parts: AccessGuardParts,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // Messages of devices come through the broker, which knows them by their own credentials.
    if (context.getType() !== 'http') return true;
    if (isPublicRoute(this.reflector, context)) return true;
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const principal = await this.parts.principalOf(request);
    setPrincipal(request, principal);
    await this.parts.admit?.(request, http.getResponse<FastifyReply>());
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
