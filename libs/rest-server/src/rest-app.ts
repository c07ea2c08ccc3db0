import 'reflect-metadata';

import type { Logger } from '@sightline/kernel';
import { nestLogger } from '@sightline/observability';
import type { DynamicModule, NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { answerBrokenRequest } from './broken-request.js';
import { endRequestsWithServer } from './end-requests.js';
import { serveOpenApi, type ApiHead } from './openapi.js';
import { ProblemFilter } from './problem.filter.js';
import { problemOf, sendProblem } from './problem.js';
import { setSecurityHeaders } from './security-headers.js';
import { validationPipe } from './validation.js';

/** Largest request body, bytes; a content type with a parser of its own may set another. */
const BODY_BYTES = 1024 * 1024;
/** How long a client may take to send a request, ms: 20 MiB at 1.4 Mbit/s. Fastify's default is for ever. */
const REQUEST_MS = 120_000;

export interface RestAppOptions {
  readonly module: DynamicModule;
  readonly api: ApiHead;
  readonly log: Logger;
  /** Addresses and networks, with commas between them, whose `X-Forwarded-For` is believed. Default: none. */
  readonly trustedProxies?: string | undefined;
}

/**
 * A Nest application on Fastify that does not listen yet: errors are problem documents, parameters with a schema are
 * validated, the interface is described at /docs and /openapi.json, every answer has security headers. A failed start throws. `close()` ends within
 * seconds, open streams or not.
 */
export async function createRestApp(options: RestAppOptions): Promise<NestFastifyApplication> {
  const { module, api, log, trustedProxies } = options;
  const adapter = new FastifyAdapter({
    ...(trustedProxies !== undefined && { trustProxy: trustedProxies }),
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_MS,
    clientErrorHandler: answerBrokenRequest,
    return503OnClosing: false,
    // Addresses that do not even reach the router: malformed escapes, endless parameters.
    frameworkErrors: (error: Error, { raw }: FastifyRequest, reply: FastifyReply) => {
      setSecurityHeaders(raw, reply.raw);
      void sendProblem(reply, problemOf(error));
    },
  });
  // Fastify's own: no route takes text.
  adapter.getInstance().removeContentTypeParser('text/plain');
  // On the raw answer, so that a stream has them too, which Nest begins without Fastify.
  adapter.getInstance().addHook('onRequest', ({ raw }, reply, done) => {
    setSecurityHeaders(raw, reply.raw);
    done();
  });
  endRequestsWithServer(adapter.getInstance());
  const nestOptions: Pick<NestApplicationOptions, 'logger' | 'abortOnError'> = {
    logger: nestLogger(log),
    // A failed start throws instead of ending the process.
    abortOnError: false,
  };
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, nestOptions);
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter(log));
  serveOpenApi(app, api);
  return app;
}
