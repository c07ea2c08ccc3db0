import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import { readOpenApiContract, type Exchange, type OpenApiContract } from './openapi-contract.js';
import { Refusal, refuse } from './refusal.js';
import { StandInCollection } from './stand-in-collection.js';

type Json = Readonly<Record<string, unknown>>;

/** What becomes of a request instead of its answer. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterSeconds?: number }
  /** The connection is cut; `applied`: after the work is done. */
  | { readonly kind: 'cut'; readonly applied: boolean }
  /** The work is done, and the answer comes late. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** Answered as a wait that took too long: status 200, and not completed. */
  | { readonly kind: 'wait-timeout' };

/** @returns undefined: the request is answered as it should be */
export type FaultPlan = (request: { readonly method: string; readonly path: string }) => Fault | undefined;

export interface StandInQdrant {
  readonly url: string;
  /** Whether requests and answers are checked against Qdrant's own description. */
  readonly validated: boolean;
  /** Everything that did not fit that description. */
  readonly violations: readonly string[];
  /** Method and path pattern of every request, in order. */
  readonly requests: readonly string[];
  /** Requests that were refused with 501: what the adapter must not use. */
  readonly unsupported: readonly string[];
  /** What fails from now on. */
  faults: FaultPlan;
  /** Changes a score before hits are ranked: float32 arithmetic in another order. */
  disturb: (score: number) => number;
  /** Names of all collections. */
  collections(): readonly string[];
  /** Loses everything, as a server with a new disk. */
  wipe(): void;
  close(): Promise<void>;
}

export interface StandInOptions {
  /** Refuses requests without it. */
  readonly apiKey?: string;
  /** What it says of itself. Default: 1.18.3. */
  readonly version?: string;
}

/**
 * Qdrant in memory, as far as the adapter uses it, over real HTTP on loopback: for tests. It computes cosines by brute
 * force, keeps aliases and strict mode, and answers 501 to everything else.
 */
export async function startStandInQdrant(options: StandInOptions = {}): Promise<StandInQdrant> {
  const standIn = new StandIn(options, await readOpenApiContract());
  await standIn.start();
  return standIn;
}

const waitedInVain = { result: { status: 'wait_timeout' } };
const inCollection = /^\/collections\/([^/]+)(\/.*)?$/;

class StandIn implements StandInQdrant {
  readonly violations: string[] = [];
  readonly requests: string[] = [];
  readonly unsupported: string[] = [];
  faults: FaultPlan = () => undefined;
  disturb = (score: number): number => score;
  readonly #contract: OpenApiContract | undefined;
  readonly #apiKey: string | undefined;
  readonly #version: string;
  readonly #collections = new Map<string, StandInCollection>();
  readonly #aliases = new Map<string, string>();
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => request.socket.destroy());
  });

  constructor({ apiKey, version = '1.18.3' }: StandInOptions, contract: OpenApiContract | undefined) {
    this.#apiKey = apiKey;
    this.#version = version;
    this.#contract = contract;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get validated(): boolean {
    return this.#contract !== undefined;
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  collections(): readonly string[] {
    return [...this.#collections.keys()];
  }

  wipe(): void {
    this.#collections.clear();
    this.#aliases.clear();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', headers } = request;
    const { pathname, searchParams: query } = new URL(request.url ?? '/', this.url);
    const path = decodeURIComponent(pathname);
    const body = await readJson(request);
    this.requests.push(`${method} ${path.replace(inCollection, '/collections/*$2')}`);
    const fault = this.faults({ method, path });
    if (fault?.kind === 'status') {
      this.#fail(response, fault);
      return;
    }
    if (fault?.kind === 'cut' && !fault.applied) {
      request.socket.destroy();
      return;
    }
    const { status, answer } = this.#answer(method, path, query, body, headers['api-key']);
    this.#check({ method, path, query, body, status, answer });
    if (fault?.kind === 'slow') await delay(fault.ms);
    if (fault?.kind === 'cut') request.socket.destroy();
    else send(response, status, fault?.kind === 'wait-timeout' ? { ...answer, ...waitedInVain } : answer);
  }

  #check(exchange: Exchange): void {
    const violation = exchange.status === 501 ? undefined : this.#contract?.violation(exchange);
    if (violation !== undefined) this.violations.push(violation);
  }

  #fail(response: ServerResponse, { status, retryAfterSeconds }: Fault & { readonly kind: 'status' }): void {
    if (retryAfterSeconds !== undefined) response.setHeader('retry-after', String(retryAfterSeconds));
    send(response, status, { time: 0, status: { error: 'told to fail' } });
  }

  #answer(method: string, path: string, query: URLSearchParams, body: unknown, apiKey: unknown) {
    try {
      if (this.#apiKey !== undefined && apiKey !== this.#apiKey) throw refuse(403, 'Invalid API key or JWT');
      if (method === 'GET' && path === '/') {
        return { status: 200, answer: { title: 'qdrant - vector search engine', version: this.#version } };
      }
      const result = this.#route(method, path, query, (body ?? {}) as Json);
      return { status: 200, answer: { result, status: 'ok', time: 0.001, usage: null } };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status === 501) this.unsupported.push(`${method} ${path}: ${error.message}`);
      return { status: error.status, answer: { status: { error: error.message }, time: 0.001 } };
    }
  }

  #route(method: string, path: string, query: URLSearchParams, body: Json): unknown {
    const pattern = `${method} ${path}`;
    if (pattern === 'GET /collections') return { collections: this.collections().map((name) => ({ name })) };
    if (pattern === 'GET /aliases') {
      const aliases = [...this.#aliases].map(([alias, collection]) => ({
        alias_name: alias,
        collection_name: collection,
      }));
      return { aliases };
    }
    if (pattern === 'POST /collections/aliases') return this.#switchAliases(body.actions as readonly Json[]);
    const [, name = '', rest = ''] = inCollection.exec(path) ?? [];
    if (name === '') throw refuse(501, 'such a path');
    return this.#routeCollection(`${method} ${rest}`, name, query, body);
  }

  #routeCollection(pattern: string, name: string, query: URLSearchParams, body: Json): unknown {
    if (pattern === 'GET /exists') return { exists: this.#find(name) !== undefined };
    if (pattern === 'PUT ') return this.#create(name, body);
    if (pattern === 'DELETE ') return this.#drop(name);
    const collection = this.#find(name);
    if (collection === undefined) throw refuse(404, `Not found: Collection \`${name}\` doesn't exist!`);
    if (query.has('timeout')) collection.checkTimeout(Number(query.get('timeout')));
    // An answer before the work is done would not be what the adapter promises: it must ask for more.
    const waits = query.get('wait') === 'true';
    switch (pattern) {
      case 'GET ':
        return collection.info();
      case 'PUT /index':
        return waited(waits, () => collection.createIndex(body));
      case 'PUT /points':
        return waited(waits, () => collection.upsert(body));
      case 'POST /points/delete':
        return waited(waits, () => collection.delete(body));
      case 'POST /points/query/batch':
        return collection.queryBatch(body.searches as readonly Json[], this.disturb);
      case 'POST /points/scroll':
        return collection.scroll(body);
      case 'POST /facet':
        return collection.facet(body);
      default:
        throw refuse(501, 'such an operation');
    }
  }

  #find(name: string): StandInCollection | undefined {
    return this.#collections.get(this.#aliases.get(name) ?? name);
  }

  #create(name: string, config: Json): boolean {
    if (this.#find(name) !== undefined) throw refuse(409, `Collection \`${name}\` already exists!`);
    this.#collections.set(name, new StandInCollection(config));
    return true;
  }

  #drop(name: string): boolean {
    for (const [alias, collection] of this.#aliases) if (collection === name) this.#aliases.delete(alias);
    return this.#collections.delete(name);
  }

  /** All or none. */
  #switchAliases(actions: readonly Json[]): boolean {
    const next = new Map(this.#aliases);
    for (const { create_alias: create, delete_alias: remove, ...rest } of actions) {
      if (Object.keys(rest).length > 0) throw refuse(501, 'such an action');
      const { alias_name: alias, collection_name: collection } = (create ?? remove) as Readonly<Record<string, string>>;
      if (remove !== undefined) {
        if (!next.delete(String(alias))) throw refuse(404, `Not found: Alias ${String(alias)} does not exists!`);
        continue;
      }
      if (!this.#collections.has(String(collection))) throw refuse(404, `Not found: Collection ${String(collection)}`);
      next.set(String(alias), String(collection));
    }
    this.#aliases.clear();
    for (const [alias, collection] of next) this.#aliases.set(alias, collection);
    return true;
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? undefined : JSON.parse(text);
}

function waited(waits: boolean, work: () => Json): Json {
  if (!waits) throw refuse(501, 'a change without wait');
  return work();
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
