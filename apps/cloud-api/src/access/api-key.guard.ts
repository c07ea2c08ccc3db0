import { AppError, type TenantId } from '@sightline/kernel';
import { isPublicRoute } from '@sightline/rest-server';
import { createParamDecorator, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';

import { bearerToken } from './api-key.js';
import { ApiKeys } from './api-keys.js';

const tenants = new WeakMap<FastifyRequest, TenantId>();

/** The tenant for which the request's API key acts. */
export const Tenant = createParamDecorator((_: unknown, context: ExecutionContext): TenantId => {
  const tenantId = tenants.get(context.switchToHttp().getRequest<FastifyRequest>());
  if (tenantId === undefined) throw new AppError('ACCESS.UNAUTHENTICATED', 'The route has no tenant.');
  return tenantId;
});

/** Lets a REST request pass with a valid API key only. */
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
    const tenantId = token === undefined ? undefined : await this.apiKeys.tenantOf(token);
    if (tenantId === undefined) {
      throw new AppError('ACCESS.UNAUTHENTICATED', 'Send a valid API key: Authorization: Bearer …');
    }
    tenants.set(request, tenantId);
    return true;
  }
}
