import { AppError, isSlug, type DeviceId, type TenantId } from '@sightline/kernel';

import { roles as everyRole, type Role } from './roles.js';

/** Under which names an identity provider writes what we ask of a token. */
export interface ClaimNames {
  readonly tenant: string;
  /** Of a role or a list of roles. */
  readonly role: string;
  readonly device: string;
}

export interface TokenClaims {
  readonly tenantId: TenantId;
  /** `jwt:` and the subject, fit for the audit. */
  readonly actor: string;
  readonly roles: readonly Role[];
  readonly deviceId?: DeviceId | undefined;
}

/** Longest subject, as the audit keeps it. */
const LONGEST_SUBJECT = 180;

/**
 * Reads for whom a token speaks whose signature, issuer, audience and times are verified.
 *
 * @throws AppError `ACCESS.UNAUTHENTICATED` without a subject or a tenant, `ACCESS.FORBIDDEN` without a role of ours
 */
export function readClaims(payload: Readonly<Record<string, unknown>>, names: ClaimNames): TokenClaims {
  const subject = typeof payload.sub === 'string' ? encodeURIComponent(Buffer.from(payload.sub).toString()) : '';
  const tenantId = claim(payload, names.tenant);
  if (subject === '' || subject.length > LONGEST_SUBJECT || typeof tenantId !== 'string' || !isSlug(tenantId)) {
    throw new AppError('ACCESS.UNAUTHENTICATED', 'The token names no subject or no tenant.');
  }
  const device = claim(payload, names.device);
  const deviceId = typeof device === 'string' && isSlug(device) ? (device as DeviceId) : undefined;
  const named = [claim(payload, names.role)].flat();
  // Without its box the role of a device says nothing.
  const held = everyRole.filter((role) => named.includes(role) && (role !== 'device' || deviceId !== undefined));
  if (held.length === 0) throw new AppError('ACCESS.FORBIDDEN', 'The token names no role that we know.');
  return { tenantId: tenantId as TenantId, actor: `jwt:${subject}`, roles: held, deviceId };
}

/** A claim by its name, which may have dots itself (`https://example.org/role`), or by a path (`realm_access.roles`). */
function claim(payload: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[part];
  }
  return value;
}
