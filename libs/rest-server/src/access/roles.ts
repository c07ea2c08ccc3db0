import { SetMetadata, type CustomDecorator, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';

/** What an admin may hand out besides their own: people who work with the system, who look over them, and boxes. */
export const grantedRoles = ['operator', 'auditor', 'device'] as const;
export type GrantedRole = (typeof grantedRoles)[number];
/** An admin of a tenant may do everything within it. */
export const roles = ['admin', ...grantedRoles] as const;
export type Role = (typeof roles)[number];

/** Who may use a route: admins and the named roles of the caller's tenant, or the platform's own key alone. */
export type RouteAccess =
  { readonly kind: 'tenant'; readonly roles: readonly GrantedRole[] } | { readonly kind: 'platform' };

const ACCESS = Symbol('route access');

/** Lets these roles use a route, or all of a controller's, besides admins. A handler's own mark replaces its class's. */
export const Roles = (...allowed: readonly GrantedRole[]): CustomDecorator<symbol> =>
  SetMetadata(ACCESS, { kind: 'tenant', roles: allowed } satisfies RouteAccess);

/** Says that a route is for admins alone: what holds without any mark, said deliberately. */
export const AdminOnly = (): CustomDecorator<symbol> => Roles();

/** Keeps a route for the platform's own key, which has no tenant. */
export const PlatformOnly = (): CustomDecorator<symbol> =>
  SetMetadata(ACCESS, { kind: 'platform' } satisfies RouteAccess);

/** What a route is marked with; undefined: nothing, so that it is for admins alone. */
export function routeAccessOf(
  reflector: Reflector,
  context: Pick<ExecutionContext, 'getHandler' | 'getClass'>,
): RouteAccess | undefined {
  return reflector.getAllAndOverride<RouteAccess | undefined>(ACCESS, [context.getHandler(), context.getClass()]);
}

/** Whether somebody with these roles in a tenant may use a route that is marked so. */
export function isAllowed(held: readonly Role[], access: RouteAccess | undefined): boolean {
  if (access?.kind === 'platform') return false;
  return held.includes('admin') || (access?.roles.some((role) => held.includes(role)) ?? false);
}
