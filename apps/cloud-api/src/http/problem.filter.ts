import type { Logger } from '@sightline/kernel';
import { errorMessage } from '@sightline/kernel';
import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { problemOf } from './problem.js';

/** Answers every error of a REST route as application/problem+json. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  async catch(error: unknown, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const problem = problemOf(error);
    if (problem.status >= 500) this.#report(error, problem.code, http.getRequest<FastifyRequest>());
    // A stream that has begun cannot change its mind; its end is all that can be said.
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.end();
      return;
    }
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="sightline"');
    await reply.status(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem));
  }

  #report(error: unknown, code: string, request: FastifyRequest): void {
    const { method } = request;
    // The route's pattern, not its address: that may hold personal data.
    const route = request.routeOptions.url ?? 'none';
    this.#log.error({ code, method, route, error: errorMessage(error), cause: causeOf(error) }, 'a request failed');
  }
}

function causeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return error.cause === undefined ? error.stack : errorMessage(error.cause);
}
