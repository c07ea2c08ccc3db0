import { lookup } from 'node:dns';
import { request as requestHttp, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';

import type { Clock } from '@sightline/kernel';

import { addressOf } from './addresses.js';

/** What is sent, made when there is a connection for it. */
export interface WebhookMessage {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** One attempt to send a message to a webhook. */
export interface WebhookRequest {
  /** `http:` or `https:`. */
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Asked for as late as possible. It must not throw. */
  readonly message: () => WebhookMessage;
  /** Of the whole attempt, ms. */
  readonly timeoutMs: number;
  /** When there must be a connection, ms. Default: within `timeoutMs`. */
  readonly connectWithinMs?: number | undefined;
  /** PEM; in the place of the authorities known to Node. */
  readonly certificateAuthority?: string | undefined;
  /** Which IP addresses may be connected to. Asked at each connection: what a name meant before does not count. */
  readonly admits: (address: string) => boolean;
  readonly clock: Clock;
  /** Breaks the attempt off. */
  readonly signal: AbortSignal;
}

/** How an attempt went. Only after `unreachable`, `late` and `forbidden-address` it is certain that nothing was received. */
export type WebhookOutcome =
  | { readonly kind: 'answered'; readonly statusCode: number; readonly retryAfter: string | undefined }
  | {
      readonly kind:
        | 'unreachable'
        /** The name or address is none that `admits`. */
        | 'forbidden-address'
        /** There was no connection within `connectWithinMs`. */
        | 'late'
        | 'timed-out'
        /** The connection was lost before the answer. */
        | 'interrupted'
        | 'aborted';
    };
type Failure = Exclude<WebhookOutcome['kind'], 'answered'>;

interface Progress {
  /** There was a connection: from here on the message may have been received. */
  isSent: boolean;
  answer: IncomingMessage | undefined;
}

/** An answer's body is read so far, for the sake of the connection; nobody looks at it. */
const ANSWER_BYTES = 64 * 1024;

/** Why a request was broken off, by us. */
class Broken extends Error {
  constructor(readonly kind: Failure) {
    super(kind);
  }
}

/**
 * Sends a message once, on a connection of its own: one that was kept may be closed by the server just when it is needed,
 * and nobody could tell whether the message was received. Redirections are not followed. Never rejects.
 */
export async function sendToWebhook(asked: WebhookRequest): Promise<WebhookOutcome> {
  const { url, timeoutMs, connectWithinMs, clock, signal } = asked;
  const literal = addressOf(url.hostname);
  if (literal !== undefined && !asked.admits(literal)) return { kind: 'forbidden-address' };
  if (signal.aborted) return { kind: 'aborted' };
  const request = open(asked);
  const over = new AbortController();
  const progress: Progress = { isSent: false, answer: undefined };
  const breakOffAfter = (ms: number, kind: () => Failure | undefined): void => {
    const due = (): void => {
      const why = kind();
      if (why !== undefined) request.destroy(new Broken(why));
    };
    void clock.sleep(ms, over.signal).then(due, () => undefined);
  };
  breakOffAfter(timeoutMs, () => (progress.isSent ? 'timed-out' : 'unreachable'));
  if (connectWithinMs !== undefined) breakOffAfter(connectWithinMs, () => (progress.isSent ? undefined : 'late'));
  const abort = (): unknown => request.destroy(new Broken('aborted'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    await exchange(request, progress, () => send(request, asked.message()));
  } catch (error) {
    // Once there is an answer, it counts, however the connection ends.
    if (progress.answer === undefined) return { kind: failureOf(error, progress) };
  } finally {
    signal.removeEventListener('abort', abort);
    over.abort();
  }
  const { statusCode = 0, headers } = progress.answer ?? { headers: {} };
  return { kind: 'answered', statusCode, retryAfter: headers['retry-after'] };
}

function open({ url, method, headers, certificateAuthority: ca, admits }: WebhookRequest): ClientRequest {
  const options: RequestOptions = {
    ...{ method, headers: { ...headers, 'content-type': 'application/json' }, agent: false },
    lookup: lookupAmong(admits),
  };
  if (url.protocol === 'https:') return requestHttps(url, { ...options, ...(ca !== undefined && { ca }) });
  return requestHttp(url, options);
}

function send(request: ClientRequest, { body, headers }: WebhookMessage): void {
  for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
  request.setHeader('content-length', Buffer.byteLength(body));
  request.end(body);
}

/** Resolves when the answer has been read. @param begin called once there is a connection: before, nothing leaves */
function exchange(request: ClientRequest, progress: Progress, begin: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.once('socket', (socket) => {
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
        progress.isSent = true;
        begin();
      });
    });
    request.once('response', (response) => {
      progress.answer = response;
      let bytes = 0;
      response.on('data', ({ length }: Buffer) => {
        bytes += length;
        if (bytes > ANSWER_BYTES) response.destroy();
      });
      response.on('error', () => undefined);
      response.once('close', resolve);
    });
  });
}

function failureOf(error: unknown, { isSent }: Progress): Failure {
  if (error instanceof Broken) return error.kind;
  return isSent ? 'interrupted' : 'unreachable';
}

/** Resolves a name to the addresses that are admitted, at the moment of connecting. */
function lookupAmong(admits: WebhookRequest['admits']): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      const addresses = error ? [] : found.filter(({ address }) => admits(address));
      const [first] = addresses;
      if (first === undefined) callback(error ?? new Broken('forbidden-address'), '', 0);
      else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
