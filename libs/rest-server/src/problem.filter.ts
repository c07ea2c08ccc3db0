import type { Logger } from '@sightline/kernel';
import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { problemOf, sendProblem } from './problem.js';

/** Answers every error of a route as application/problem+json, and logs what is not the client's fault. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  async catch(error: unknown, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const problem = problemOf(error);
    // A service that is not ready tells it to whoever asks, every few seconds: no news for a log.
    if (problem.status >= 500 && problem.code !== 'SERVICE.UNAVAILABLE') {
      const { method, routeOptions } = http.getRequest<FastifyRequest>();
      // The route's pattern, not its address: that may hold personal data.
      this.log.error({ code: problem.code, method, route: routeOptions.url, error }, 'a request failed');
    }
    // A stream that has begun cannot change its mind; its end is all that can be said.
    if (reply.sent || reply.raw.headersSent) reply.raw.end();
    else await sendProblem(reply, problem);
  }
}
