import { AppError, type TenantId } from '@sightline/kernel';
import { isPublicRoute } from '@sightline/rest-server';
import { createParamDecorator, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';

import { bearerToken } from './api-key.js';
import { ApiKeys, type Caller as RequestCaller } from './api-keys.js';

const callers = new WeakMap<FastifyRequest, RequestCaller>();

function callerOf(context: ExecutionContext): RequestCaller {
  const caller = callers.get(context.switchToHttp().getRequest<FastifyRequest>());
  if (caller === undefined) throw new AppError('ACCESS.UNAUTHENTICATED', 'The route has no tenant.');
  return caller;
}

/** The tenant for which the request's API key acts. */
export const Tenant = createParamDecorator((_: unknown, context: ExecutionContext): TenantId => {
  return callerOf(context).tenantId;
});

/** The request's API key and its tenant. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) => callerOf(context));

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
    const caller = token === undefined ? undefined : await this.apiKeys.callerOf(token);
    if (caller === undefined) {
      throw new AppError('ACCESS.UNAUTHENTICATED', 'Send a valid API key: Authorization: Bearer …');
    }
    callers.set(request, caller);
    return true;
  }
}
