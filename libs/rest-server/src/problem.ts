import { errorDefinition, type PublicErrorCode, type rest } from '@sightline/contracts';
import { AppError, isAppError } from '@sightline/kernel';
import { HttpException } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

type FieldError = NonNullable<rest.Problem['errors']>[number];

/** A request that does not fit its schema, with what is wrong by field. */
export class InvalidRequest extends AppError {
  constructor(readonly fields: readonly FieldError[]) {
    super('REQUEST.INVALID', 'The request does not fit its schema.');
  }
}

/** How long a client should wait where the error itself does not say: a queue moves on soon, a start takes longer. */
const RETRY_AFTER_SECONDS: Readonly<Record<number, number>> = { 429: 1, 503: 5 };

/** What Nest and Fastify report by status alone. */
const codeOfStatus: Readonly<Record<number, PublicErrorCode>> = {
  401: 'ACCESS.UNAUTHENTICATED',
  403: 'ACCESS.FORBIDDEN',
  404: 'REQUEST.NOT_FOUND',
  408: 'REQUEST.TIMEOUT',
  413: 'REQUEST.TOO_LARGE',
  415: 'REQUEST.UNSUPPORTED_MEDIA_TYPE',
  416: 'REQUEST.RANGE_NOT_SATISFIABLE',
  429: 'REQUEST.RATE_LIMITED',
  503: 'SERVICE.UNAVAILABLE',
};

/**
 * The RFC 9457 problem document of whatever was thrown. An error that has no public code is an internal one:
 * nothing of its text reaches the client. With status 429 and 503 it says when to come again: what the error has as its
 * detail `retryAfterSeconds`, or a usual time.
 */
export function problemOf(error: unknown): rest.Problem {
  const asked = isAppError(error) ? error.code : codeOf(statusOf(error));
  const { code, title, status } = errorDefinition(asked);
  const retryAfter = retryAfterSeconds(error, status);
  return {
    type: `urn:sightline:error:${code}`,
    title,
    status,
    code,
    // The framework's sentences ("Body is too large", "Cannot GET /x") say nothing of the inside.
    detail: error instanceof Error && code === asked && code !== 'SERVICE.INTERNAL' ? error.message : title,
    retryable: isAppError(error) ? error.retryable : code === 'SERVICE.UNAVAILABLE',
    ...(retryAfter !== undefined && { retryAfterSeconds: retryAfter }),
    ...(error instanceof InvalidRequest && { errors: [...error.fields] }),
  };
}

/** Sends a problem document, as a string: Fastify would otherwise set its own media type. */
export async function sendProblem(reply: FastifyReply, problem: rest.Problem): Promise<void> {
  // RFC 9110, 15.5.2: a 401 names the scheme that would do.
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="sightline"');
  // RFC 9110, 15.5.9: what did not arrive would be read as the connection's next request.
  if (problem.status === 408) void reply.header('connection', 'close');
  if (problem.retryAfterSeconds !== undefined) void reply.header('retry-after', String(problem.retryAfterSeconds));
  await reply.status(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem));
}

function retryAfterSeconds(error: unknown, status: number): number | undefined {
  const usual = RETRY_AFTER_SECONDS[status];
  const said = isAppError(error) ? error.details.retryAfterSeconds : undefined;
  return usual !== undefined && typeof said === 'number' ? Math.max(1, Math.ceil(said)) : usual;
}

function codeOf(status: number): PublicErrorCode {
  return codeOfStatus[status] ?? (status >= 400 && status < 500 ? 'REQUEST.INVALID' : 'SERVICE.INTERNAL');
}

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  // Fastify's own errors: a body that is too large or of a type without a parser.
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return 500;
}
