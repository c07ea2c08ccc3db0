import { AppError, type DeviceId, type TenantId } from '@sightline/kernel';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

import type { Role } from './roles.js';

/** For whom a request is made. */
export interface RequestCaller {
  readonly tenantId: TenantId;
  /** Who acts: `key:<id of the API key>`, `jwt:<subject of the token>` or `device:<id>`. No secret; what the audit names. */
  readonly actor: string;
  readonly roles: readonly Role[];
  /** The one box that a caller with the role `device` acts for. */
  readonly deviceId?: DeviceId | undefined;
}

/** Who a request is made by: somebody of a tenant, or the platform itself. */
export type Principal =
  | { readonly kind: 'tenant'; readonly credential: 'key' | 'token' | 'device'; readonly caller: RequestCaller }
  | { readonly kind: 'platform' };

const principals = new WeakMap<FastifyRequest, Principal>();

/** Remembers who a request is made by, once that is proven. */
export function setPrincipal(request: FastifyRequest, principal: Principal): void {
  principals.set(request, principal);
}

/** Who a request is made by; undefined where nobody had to prove it. */
export function principalOf(request: FastifyRequest): Principal | undefined {
  return principals.get(request);
}

/** @throws AppError `ACCESS.UNAUTHENTICATED` on a route that asks for nobody's credentials */
function callerOf(context: ExecutionContext): RequestCaller {
  const principal = principalOf(context.switchToHttp().getRequest<FastifyRequest>());
  if (principal?.kind !== 'tenant') throw new AppError('ACCESS.UNAUTHENTICATED', 'The route has no tenant.');
  return principal.caller;
}

/** The tenant for which the request is made. */
export const Tenant = createParamDecorator(
  (_: unknown, context: ExecutionContext): TenantId => callerOf(context).tenantId,
);

/** Who makes the request, and for which tenant. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) => callerOf(context));
