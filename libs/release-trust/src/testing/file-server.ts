import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join, normalize } from 'node:path';

/** Answers a request itself and returns true, or leaves it to the server. */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A plain HTTP server over a folder, with Range, that a test can make misbehave. */
export class FileServer {
  readonly requests: { readonly url: string; readonly range: string | undefined }[] = [];
  intercept: Intercept = () => false;
  readonly #server;
  #url = '';

  constructor(root: string) {
    this.#server = createServer((request, response) => {
      this.requests.push({ url: request.url ?? '', range: request.headers.range });
      if (this.intercept(request, response)) return;
      void serve(join(root, normalize(request.url ?? '/')), request, response);
    });
  }

  get url(): string {
    return this.#url;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    this.#url = `http://127.0.0.1:${address.port}`;
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start > 0 && start >= found.size) {
    response.writeHead(416, { 'content-range': `bytes */${found.size}` }).end();
    return;
  }
  response.writeHead(start > 0 ? 206 : 200, {
    'content-length': found.size - start,
    ...(start > 0 ? { 'content-range': `bytes ${start}-${found.size - 1}/${found.size}` } : {}),
  });
  createReadStream(path, { start }).pipe(response);
}
