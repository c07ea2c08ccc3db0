import { isAppError, isSlug, isUuid } from '@sightline/kernel';
import { type AuditEntry, principalOf, problemOf, type RequestCaller } from '@sightline/rest-server';
import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { SSE_METADATA } from '@nestjs/common/constants.js';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { catchError, concatMap, defer, mergeMap, type Observable } from 'rxjs';

import { Acting } from './acting.js';
import { Audit } from './audit.js';
import { AUDITED, type AuditedRoute, type AuditedSubject } from './audited.js';

/** Header by which a client says what it reads biometric data for. */
const PURPOSE_HEADER = 'sightline-purpose';
/** What has a name of the tenant's choice for an id; all else has a random one, and anything else in its place may be a name. */
const namedKinds = new Set(['device', 'site', 'group']);
const purposePattern = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** Lets everything within a request know who acts, and records the requests to audited routes. */
@Injectable()
export class AuditInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly audit: Audit,
    private readonly acting: Acting,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const principal = principalOf(request);
    if (principal?.kind !== 'tenant') return next.handle();
    const { caller } = principal;
    // Nest remembers the surroundings of this call for the handler.
    const handled = this.acting.as(caller.actor, () => next.handle());
    const route = this.reflector.get<AuditedRoute | undefined>(AUDITED, context.getHandler());
    if (route === undefined) return handled;
    const isStream = this.reflector.get<boolean | undefined>(SSE_METADATA, context.getHandler()) ?? false;
    const record = async (end: Ending): Promise<void> => {
      const entry = entryOf(route, { request, caller, ...end });
      // A reading that was never understood has touched nothing; of a change the end follows the begin.
      if (route.change || !entry.outcome?.startsWith('REQUEST.')) await this.audit.append(entry);
    };
    if (isStream) return defer(() => record({ outcome: 'succeeded' })).pipe(concatMap(() => handled));
    const ended = this.#ended(handled, record);
    return route.change ? defer(() => record({ outcome: 'begun' })).pipe(concatMap(() => ended)) : ended;
  }

  #ended(handled: Observable<unknown>, record: (end: Ending) => Promise<void>): Observable<unknown> {
    return handled.pipe(
      catchError(async (error: unknown) => {
        await record({ outcome: isAppError(error) ? error.code : problemOf(error).code });
        throw error;
      }),
      mergeMap(async (answer: unknown) => {
        await record({ outcome: 'succeeded', answer });
        return answer;
      }),
    );
  }
}

interface Ending {
  readonly outcome: string;
  readonly answer?: unknown;
}

interface Handled extends Ending {
  readonly request: FastifyRequest;
  readonly caller: RequestCaller;
}

function entryOf({ action, subject }: AuditedRoute, { request, caller, outcome, answer }: Handled): AuditEntry {
  const { tenantId, actor } = caller;
  const purpose = request.headers[PURPOSE_HEADER];
  return {
    ...{ tenantId, actor, action, outcome, subject: subjectOf(subject, request, answer) },
    purpose: typeof purpose === 'string' && purposePattern.test(purpose) ? purpose : undefined,
  };
}

function subjectOf(
  subject: AuditedSubject | undefined,
  request: FastifyRequest,
  answer: unknown,
): AuditEntry['subject'] {
  if (subject === undefined) return undefined;
  const [source, name] = placeOf(subject, request, answer);
  const id = typeof source === 'object' && source !== null ? (source as Record<string, unknown>)[name] : undefined;
  return typeof id === 'string' && (isUuid(id) || (namedKinds.has(subject.kind) && isSlug(id)))
    ? { kind: subject.kind, id }
    : undefined;
}

function placeOf(subject: AuditedSubject, request: FastifyRequest, answer: unknown): readonly [unknown, string] {
  if ('param' in subject) return [request.params, subject.param];
  if ('query' in subject) return [request.query, subject.query];
  return [answer, subject.result];
}
