import { rm, chmod } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';

import { backoffMs, errorMessage, type Clock, type Logger } from '@sightline/kernel';
import type { Exposition } from '@sightline/observability';

import type { LocalApiConfig } from '../config/operation-config.js';

/** Whether the agent is well, with what there is to say about it. */
export interface HealthReport {
  readonly isWell: boolean;
  readonly details: object;
}

export interface LocalApiOptions {
  readonly config: LocalApiConfig;
  /** Where the socket lies by default. */
  readonly dataDirectory: string;
  /** Whether the agent gets anywhere: what a watchdog asks. */
  readonly live: () => HealthReport;
  /** Whether it does what it is for. */
  readonly ready: () => HealthReport;
  readonly status: () => object;
  readonly metrics: () => Promise<Exposition>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** A path of a unix socket has room for so many bytes in the kernel (sockaddr_un), with the final zero. */
const SOCKET_PATH_LIMIT = 107;
const LOCAL_NAME = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/**
 * Health, metrics and status of this box over HTTP, for whoever is on it: read-only, nothing personal, off the network
 * by default. An address that is taken is tried again: recording goes on without it.
 */
export class LocalApi {
  readonly #options: LocalApiOptions;
  readonly #stopping = new AbortController();
  #server: Server | undefined;
  #listening: Promise<void> | undefined;

  constructor(options: LocalApiOptions) {
    this.#options = options;
  }

  /** Where it listens: a socket's path or `http://host:port`; undefined while it does not. */
  get address(): string | undefined {
    const address: AddressInfo | string | null | undefined = this.#server?.address();
    if (typeof address !== 'object' || address === null) return address ?? undefined;
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `http://${host}:${address.port}`;
  }

  /** Resolves after the first attempt to listen; further ones go on beside. */
  async start(): Promise<void> {
    if (!this.#options.config.enabled) return;
    const isListening = await this.#tryToListen();
    if (!isListening) this.#listening = this.#listenLater();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#listening;
    const server = this.#server;
    if (!server) return;
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }

  async #listenLater(): Promise<void> {
    const { clock, random } = this.#options;
    const isStopping = (): boolean => this.#stopping.signal.aborted;
    for (let attempt = 0; !isStopping(); attempt += 1) {
      const waitMs = backoffMs(attempt, { baseMs: 1000, capMs: 300_000, random });
      await clock.sleep(waitMs, this.#stopping.signal).catch(() => undefined);
      if (isStopping() || (await this.#tryToListen())) return;
    }
  }

  async #tryToListen(): Promise<boolean> {
    const { config, log } = this.#options;
    try {
      this.#server = await this.#listen();
      log.info({ address: this.address, network: config.allowNetwork }, 'local API listens');
      return true;
    } catch (error) {
      log.warn({ code: 'LOCAL_API.UNAVAILABLE', cause: errorMessage(error) }, 'the local API cannot listen yet');
      return false;
    }
  }

  async #listen(): Promise<Server> {
    const { config, dataDirectory } = this.#options;
    // No body is ever read, and nobody keeps a connection for long.
    const server = createServer(
      { requestTimeout: 10_000, keepAliveTimeout: 5000, maxHeaderSize: 8192 },
      (request, response) => void this.#serve(request, response),
    );
    if (config.port !== undefined) {
      await listening(server, { host: config.host, port: config.port });
      return server;
    }
    const path = resolve(dataDirectory, config.socket ?? 'agent.sock');
    if (Buffer.byteLength(path) > SOCKET_PATH_LIMIT)
      throw new Error(`the socket's path is longer than the kernel takes`);
    // Left by a run that was killed: the data directory is this agent's alone.
    await rm(path, { force: true });
    await listening(server, { path });
    await chmod(path, 0o660);
    return server;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, type, body } = await this.#answer(request).catch((error: unknown) => {
      this.#options.log.error({ code: 'LOCAL_API.FAILED', cause: errorMessage(error) }, 'the local API failed');
      return json(500, { code: 'SERVICE.INTERNAL' });
    });
    response.writeHead(status, {
      'content-type': type,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answer({ method, url = '/', headers }: IncomingMessage): Promise<Answer> {
    if (!this.#isAddressedAsLocal(headers.host)) return json(421, { code: 'REQUEST.MISDIRECTED' });
    if (method !== 'GET' && method !== 'HEAD') return json(405, { code: 'REQUEST.METHOD_NOT_ALLOWED' });
    const { live, ready, status, metrics } = this.#options;
    switch (url.split('?', 1)[0]) {
      case '/health/live':
        return health(live());
      case '/health/ready':
        return health(ready());
      case '/status':
        return json(200, status());
      case '/metrics': {
        const { contentType, text } = await metrics();
        return { status: 200, type: contentType, body: text };
      }
      default:
        return json(404, { code: 'REQUEST.NOT_FOUND' });
    }
  }

  /** A page in a browser on this box can have a name of its own lead to 127.0.0.1: such a name is not ours. */
  #isAddressedAsLocal(host = ''): boolean {
    const { port, allowNetwork } = this.#options.config;
    return port === undefined || allowNetwork || LOCAL_NAME.test(host);
  }
}

function listening(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(where, () => {
      server.off('error', fail);
      done();
    });
  });
}

function health({ isWell, details }: HealthReport): Answer {
  return json(isWell ? 200 : 503, { status: isWell ? 'ok' : 'error', ...details });
}

function json(status: number, value: object): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}
