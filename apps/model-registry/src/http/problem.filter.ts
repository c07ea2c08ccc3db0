import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { errorDefinition, type rest } from '@sightline/contracts';
import { errorMessage, isAppError, type Logger } from '@sightline/kernel';
import type { FastifyReply } from 'fastify';

/** What the framework reports by status alone. */
const codeOfStatus: Readonly<Record<number, string>> = {
  400: 'REQUEST.INVALID',
  404: 'REQUEST.NOT_FOUND',
  413: 'REQUEST.TOO_LARGE',
  415: 'REQUEST.UNSUPPORTED_MEDIA_TYPE',
};

/** The RFC 9457 document of whatever was thrown; nothing of an internal error's text reaches the client. */
export function problemOf(error: unknown): rest.Problem {
  const status = statusOf(error);
  const asked = isAppError(error) ? error.code : (codeOfStatus[status ?? 500] ?? 'SERVICE.INTERNAL');
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

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  // Fastify's own errors.
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return undefined;
}

/** Answers every error as application/problem+json. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  async catch(error: unknown, host: ArgumentsHost): Promise<void> {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const problem = problemOf(error);
    if (problem.status >= 500 && problem.code !== 'SERVICE.UNAVAILABLE') {
      this.#log.error({ code: problem.code, reason: errorMessage(error) }, 'a request failed');
    }
    await reply.status(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem));
  }
}
