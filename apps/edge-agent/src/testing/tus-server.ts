import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The cloud's end of uploads in memory: tus resumable uploads 1.0.0, as far as a box needs it. */
export class TusServer {
  /** What has come of each upload, by digest. */
  readonly uploads = new Map<string, Buffer>();
  /** Uploads that are whole and have their digest. */
  readonly stored = new Set<string>();
  /** Authorization headers that came. */
  readonly authorizations = new Set<string>();
  /** Answers the next requests get in the place of the real ones. */
  readonly refusals: { readonly status: number; readonly code: string; readonly retryAfterSeconds?: number }[] = [];
  /** Bytes after which the next part's connection is cut. */
  cutAfter: number | undefined;
  readonly #lengths = new Map<string, number>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.authorizations.add(request.headers.authorization ?? '');
    const refusal = this.refusals.shift();
    if (refusal !== undefined) {
      request.resume();
      const retryable = refusal.status === 429 || refusal.status >= 500;
      const problem = { type: 'urn:x', title: 'No', detail: 'No.', retryable, ...refusal };
      response.writeHead(refusal.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
      return;
    }
    if (request.method === 'POST') this.#begin(request, response);
    else await this.#append(request, response);
  }

  #begin(request: IncomingMessage, response: ServerResponse): void {
    const [, value = ''] = String(request.headers['upload-metadata']).split(' ');
    const digest = Buffer.from(value, 'base64').toString();
    this.#lengths.set(digest, Number(request.headers['upload-length']));
    const offset = this.uploads.get(digest)?.length ?? 0;
    response.writeHead(201, { location: `/v1/image-uploads/${digest}`, 'upload-offset': offset }).end();
  }

  async #append(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const digest = request.url?.split('/').at(-1) ?? '';
    const before = this.uploads.get(digest) ?? Buffer.alloc(0);
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const part = Buffer.concat(chunks);
    const { cutAfter } = this;
    this.cutAfter = undefined;
    const now = Buffer.concat([before, part.subarray(0, cutAfter ?? part.length)]);
    this.uploads.set(digest, now);
    if (cutAfter !== undefined) {
      request.socket.destroy();
      return;
    }
    const isWhole = now.length === this.#lengths.get(digest);
    if (isWhole && createHash('sha256').update(now).digest('hex') === digest) this.stored.add(digest);
    response.writeHead(204, { 'upload-offset': now.length }).end();
  }
}
