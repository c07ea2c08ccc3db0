import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** Path below which devices find the signed repository. */
export const REPOSITORY_PATH = '/repository';

const YEAR_SECONDS = 31_536_000;

/**
 * Serves the signed repository as files, with Range, ETag and HEAD. It needs no secret: whoever gets the
 * bytes checks the signatures.
 *
 * @param directory the repository: `metadata/` and `targets/`
 */
export function serveRepository(app: NestFastifyApplication, directory: string): void {
  app.useStaticAssets({
    root: directory,
    prefix: `${REPOSITORY_PATH}/`,
    decorateReply: false,
    index: false,
    redirect: false,
    dotfiles: 'ignore',
    cacheControl: false,
    setHeaders: (response, path) => {
      // Every file has its digest or its version in its name, except the timestamp.
      const changes = path.endsWith('/timestamp.json');
      response.setHeader('cache-control', changes ? 'no-cache' : `public, max-age=${YEAR_SECONDS}, immutable`);
    },
  });
}
