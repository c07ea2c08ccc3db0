import { isAppError, isSlug, isUuid } from '@sightline/kernel';
import { problemOf } from '@sightline/rest-server';
import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { SSE_METADATA } from '@nestjs/common/constants.js';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { catchError, concatMap, defer, from, mergeMap, type Observable } from 'rxjs';

import { principalOf, type Caller } from '../access/caller.js';
import { Acting } from './acting.js';
import type { AuditEntry } from './audit-entry.js';
import { Audit } from './audit.js';
import { AUDITED, type AuditedRoute, type AuditedSubject } from './audited.js';

/** Header by which a client says what it reads biometric data for. */
const PURPOSE_HEADER = 'sightline-purpose';
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
    const record = async (answer: unknown, error?: unknown): Promise<void> => {
      const entry = entryOf(route, { request, caller, answer, error });
      // A request that was never understood has touched nothing, and what it names may be anything.
      if (!entry.outcome?.startsWith('REQUEST.')) await this.audit.append(entry);
    };
    if (isStream) return defer(() => from(record(undefined))).pipe(concatMap(() => handled));
    return handled.pipe(
      catchError(async (error: unknown) => {
        await record(undefined, error);
        throw error;
      }),
      mergeMap(async (answer: unknown) => {
        await record(answer);
        return answer;
      }),
    );
  }
}

interface Handled {
  readonly request: FastifyRequest;
  readonly caller: Caller;
  readonly answer: unknown;
  readonly error: unknown;
}

function entryOf({ action, subject }: AuditedRoute, { request, caller, answer, error }: Handled): AuditEntry {
  const { tenantId, actor } = caller;
  const purpose = request.headers[PURPOSE_HEADER];
  return {
    ...{ tenantId, actor, action, subject: subjectOf(subject, request, answer) },
    purpose: typeof purpose === 'string' && purposePattern.test(purpose) ? purpose : undefined,
    outcome: error === undefined ? 'succeeded' : isAppError(error) ? error.code : problemOf(error).code,
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
  return typeof id === 'string' && (isUuid(id) || isSlug(id)) ? { kind: subject.kind, id } : undefined;
}

function placeOf(subject: AuditedSubject, request: FastifyRequest, answer: unknown): readonly [unknown, string] {
  if ('param' in subject) return [request.params, subject.param];
  if ('query' in subject) return [request.query, subject.query];
  return [answer, subject.result];
}
