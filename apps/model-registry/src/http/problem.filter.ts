import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { errorMessage, type Logger } from '@sightline/kernel';
import type { FastifyReply } from 'fastify';

import { problemOf, sendProblem } from './problem.js';

/** Answers every error as application/problem+json. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  async catch(error: unknown, host: ArgumentsHost): Promise<void> {
    const problem = problemOf(error);
    if (problem.status >= 500 && problem.code !== 'SERVICE.UNAVAILABLE') {
      this.#log.error({ code: problem.code, reason: errorMessage(error) }, 'a request failed');
    }
    await sendProblem(host.switchToHttp().getResponse<FastifyReply>(), problem);
  }
}
