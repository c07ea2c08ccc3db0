import { SetMetadata, type CustomDecorator } from '@nestjs/common';

import type { AuditAction } from './audit-entry.js';

/** Where a request names what it is about: in its path, its query, or (where that is made) in its answer. */
export type AuditedSubject = { readonly kind: string } & (
  { readonly param: string } | { readonly query: string } | { readonly result: string }
);

/** What is recorded of each request to a route. */
export interface AuditedRoute {
  readonly action: AuditAction;
  readonly subject?: AuditedSubject | undefined;
}

export const AUDITED = Symbol('audited route');

/**
 * Records each request to a route, with how it ended, before its answer leaves; of a stream its begin. For a change that
 * must not be there without its entry, call `Audit.record` in its transaction instead.
 *
 * @example `@Audited('person.read', { kind: 'person', param: 'id' })`
 */
export const Audited = (action: AuditAction, subject?: AuditedSubject): CustomDecorator<symbol> =>
  SetMetadata(AUDITED, { action, subject } satisfies AuditedRoute);
