import type { AuditAction } from '@sightline/rest-server';
import { SetMetadata, type CustomDecorator } from '@nestjs/common';

/** Where a request names what it is about: in its path, its query, or (where that is made) in its answer. */
export type AuditedSubject = { readonly kind: string } & (
  { readonly param: string } | { readonly query: string } | { readonly result: string }
);

/**
 * What is recorded of each request to a route. A route needs it that reads or changes biometric or personal data, or who
 * has access to it; a route without an entry stands in `exempt-routes.ts` with the reason, or a test fails.
 */
export interface AuditedRoute {
  readonly action: AuditAction;
  readonly subject?: AuditedSubject | undefined;
  /** Whether it is recorded before it is begun, too. */
  readonly change: boolean;
}

export const AUDITED = Symbol('audited route');

/**
 * Records each request to a route that reads, with how it ended, before its answer leaves; of a stream its begin.
 *
 * @example `@Audited('person.read', { kind: 'person', param: 'id' })`
 */
export const Audited = (action: AuditAction, subject?: AuditedSubject): CustomDecorator<symbol> =>
  SetMetadata(AUDITED, { action, subject, change: false } satisfies AuditedRoute);

/**
 * Records each request to a route that changes, with the outcome `begun` before and again with how it ended: so there is
 * no change without an entry, whatever dies in between. Where the change has a transaction of its own,
 * `Audit.record` in it says the same by one entry; a route has one of the two.
 *
 * @example `@AuditedChange('person.erase', { kind: 'person', param: 'id' })`
 */
export const AuditedChange = (action: AuditAction, subject?: AuditedSubject): CustomDecorator<symbol> =>
  SetMetadata(AUDITED, { action, subject, change: true } satisfies AuditedRoute);
