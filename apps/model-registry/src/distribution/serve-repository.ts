import fastifyStatic from '@fastify/static';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppError } from '@sightline/kernel';
import { problemOf, sendProblem } from '@sightline/rest-server';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** Path below which devices find the signed repository. */
export const REPOSITORY_PATH = '/repository';

const YEAR_SECONDS = 31_536_000;

/**
 * Serves the signed repository as files, with Range, ETag and HEAD. It needs no secret: whoever gets the
 * bytes checks the signatures.
 *
 * @param directory the repository: `metadata/` and `targets/`
 */
export async function serveRepository(app: NestFastifyApplication, directory: string): Promise<void> {
  await app.register(async (scope: FastifyInstance) => {
    // Nest's own handler drops the headers of an error, and a refused range has to tell the file's length.
    scope.setErrorHandler(async (error, _request, reply) => {
      await sendProblem(withHeadersOf(error, reply), problemOf(withoutForbidden(error)));
    });
    await scope.register(fastifyStatic, {
      root: directory,
      prefix: `${REPOSITORY_PATH}/`,
      decorateReply: false,
      index: false,
      dotfiles: 'ignore',
      cacheControl: false,
      setHeaders: (reply, path) => {
        // Every file has its digest or its version in its name, except the timestamp.
        const changes = path.endsWith('/timestamp.json');
        void reply.header('cache-control', changes ? 'no-cache' : `public, max-age=${YEAR_SECONDS}, immutable`);
      },
    });
  });
}

/** A path that leaves the repository is forbidden to @fastify/static: there is nothing, and no more is said. */
function withoutForbidden(error: unknown): unknown {
  const isForbidden = error instanceof Error && 'statusCode' in error && error.statusCode === 403;
  return isForbidden ? new AppError('REQUEST.NOT_FOUND', 'There is no such file.') : error;
}

function withHeadersOf(error: unknown, reply: FastifyReply): FastifyReply {
  const headers = error instanceof Error && 'headers' in error ? error.headers : undefined;
  for (const [name, value] of Object.entries(headers ?? {})) void reply.header(name, String(value));
  return reply;
}
