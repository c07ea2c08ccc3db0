import { HttpException } from '@nestjs/common';
import { errorDefinition, type rest } from '@sightline/contracts';
import { isAppError } from '@sightline/kernel';
import type { FastifyReply } from 'fastify';

/** What the framework reports by status alone. */
const codeOfStatus: Readonly<Record<number, string>> = {
  400: 'REQUEST.INVALID',
  // A path that leaves the repository: there is nothing, and no more is said.
  403: 'REQUEST.NOT_FOUND',
  404: 'REQUEST.NOT_FOUND',
  413: 'REQUEST.TOO_LARGE',
  415: 'REQUEST.UNSUPPORTED_MEDIA_TYPE',
  416: 'REQUEST.RANGE_NOT_SATISFIABLE',
};

/** The RFC 9457 document of whatever was thrown; nothing of an internal error's text reaches the client. */
export function problemOf(error: unknown): rest.Problem {
  const asked = isAppError(error) ? error.code : (codeOfStatus[statusOf(error)] ?? 'SERVICE.INTERNAL');
  const definition = errorDefinition(asked);
  return {
    type: `urn:sightline:error:${definition.code}`,
    title: definition.title,
    status: definition.status,
    code: definition.code,
    detail: isAppError(error) && definition.code === error.code ? error.message : definition.title,
    retryable: isAppError(error) && error.retryable,
  };
}

/** Sends a problem document, as a string: Fastify would otherwise set its own media type. */
export async function sendProblem(reply: FastifyReply, problem: rest.Problem): Promise<void> {
  await reply.status(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem));
}

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  // Fastify's own errors.
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return 500;
}
