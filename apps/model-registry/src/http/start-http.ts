import 'reflect-metadata';

import { StandardSchemaValidationPipe, type NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { AppError, type Logger } from '@sightline/kernel';
import { nestLogger } from '@sightline/observability';

import { serveRepository } from '../distribution/serve-repository.js';
import type { ReadinessProbe } from '../health/health.controller.js';
import { RegistryModule } from '../registry.module.js';
import type { ReleaseLibrary } from '../releases/release-library.js';
import { ProblemFilter } from './problem.filter.js';

export interface HttpOptions {
  readonly host: string;
  readonly port: number;
  readonly repositoryDirectory: string;
  readonly library: ReleaseLibrary;
  readonly readiness: ReadinessProbe;
  readonly log: Logger;
}

/** Starts the HTTP side: the repository, REST, the OpenAPI page at /docs, health. */
export async function startHttp(options: HttpOptions): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { host, port, repositoryDirectory, library, readiness, log } = options;
  // A failed start throws here instead of ending the process.
  const nestOptions: Pick<NestApplicationOptions, 'logger' | 'abortOnError'> = {
    logger: nestLogger(log),
    abortOnError: false,
  };
  const app = await NestFactory.create<NestFastifyApplication>(
    RegistryModule.of(library, readiness),
    new FastifyAdapter({ forceCloseConnections: true }),
    nestOptions,
  );
  app.useGlobalFilters(new ProblemFilter(log));
  app.useGlobalPipes(
    new StandardSchemaValidationPipe({
      exceptionFactory: () => new AppError('REQUEST.INVALID', 'The request does not fit its schema.'),
    }),
  );
  await serveRepository(app, repositoryDirectory);
  const document = new DocumentBuilder()
    .setTitle('Sightline model registry')
    .setDescription('Signed releases of models. The files themselves are a TUF repository below /repository.')
    .setVersion('1')
    .build();
  SwaggerModule.setup('docs', app, SwaggerModule.createDocument(app, document), { jsonDocumentUrl: 'openapi.json' });
  try {
    await app.listen(port, host);
  } catch (error) {
    await app.close();
    throw error;
  }
  return { url: addressOf(app, host), close: () => app.close() };
}

function addressOf(app: NestFastifyApplication, host: string): string {
  const address = app.getHttpAdapter().getInstance().server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const named = host.includes(':') ? `[${host}]` : host;
  return `http://${named}:${address.port}`;
}
