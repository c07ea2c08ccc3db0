import { lookup } from 'node:dns';
import { request as requestHttp, type ClientRequest, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';

import { AppError, isAppError, type Clock } from '@sightline/kernel';

import type { ActionEvent } from './action-event.js';
import { notReceived, type Attempt, type Performer } from './performer.js';
import { addressOf, isPrivateAddress } from './private-address.js';
import { SIGNATURE_HEADER, signatureHeader } from './signature.js';

/** A webhook with its secrets. */
export interface WebhookOptions {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signingSecret: string | undefined;
  /** Of one attempt, ms. */
  readonly timeoutMs: number;
  /** PEM. */
  readonly certificateAuthority: string | undefined;
  readonly allowPublicPlainText: boolean;
  readonly clock: Clock;
}

interface Progress {
  /** There was a connection: from here on the event may have been received. */
  isSent: boolean;
  statusCode: number | undefined;
}

/** An answer's body is read so far, for the sake of the connection; nobody looks at it. */
const ANSWER_BYTES = 64 * 1024;

/**
 * Sends events to an HTTP server, each on a connection of its own: one that was kept may be closed by the server
 * just when it is needed, and nobody could tell whether the event was received. Redirections are not followed.
 */
export class Webhook implements Performer {
  readonly #options: WebhookOptions;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /**
   * @throws AppError `ACTION.UNREACHABLE`, `ACTION.LATE`, `ACTION.PUBLIC_PLAIN_TEXT` (nothing was sent),
   *   `ACTION.INTERRUPTED_TRANSFER`, `ACTION.TIMED_OUT` (it may have been received), `ACTION.REFUSED` (the answer
   *   was no success), `ACTION.ABORTED`
   */
  async perform({ event, startWithinMs, signal }: Attempt): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    const request = this.#open();
    const over = new AbortController();
    const progress: Progress = { isSent: false, statusCode: undefined };
    const breakOffAfter = (ms: number, reason: () => AppError | undefined): void => {
      const due = (): void => {
        const error = reason();
        if (error) request.destroy(error);
      };
      void clock.sleep(ms, over.signal).then(due, () => undefined);
    };
    breakOffAfter(timeoutMs, () => (progress.isSent ? timedOut() : unreachable()));
    breakOffAfter(startWithinMs, () => (progress.isSent ? undefined : notReceived('ACTION.LATE', 'It is too late.')));
    const abort = (): unknown => request.destroy(new AppError('ACTION.ABORTED', 'The agent has ended.'));
    signal.addEventListener('abort', abort, { once: true });
    try {
      await exchange(request, progress, () => this.#send(request, event()));
    } catch (error) {
      // Once there is an answer, it counts, however the connection ends.
      if (progress.statusCode === undefined) throw failureOf(error, progress);
    } finally {
      signal.removeEventListener('abort', abort);
      over.abort();
    }
    const { statusCode = 0 } = progress;
    if (statusCode >= 200 && statusCode <= 299) return;
    throw new AppError('ACTION.REFUSED', 'The receiver did not answer with a success.', { details: { statusCode } });
  }

  async close(): Promise<void> {
    // Nothing stays open between events.
  }

  #open(): ClientRequest {
    const { url, method, headers, certificateAuthority: ca, allowPublicPlainText } = this.#options;
    const options: RequestOptions = {
      method,
      headers: { ...headers, 'content-type': 'application/json' },
      agent: false,
    };
    if (url.protocol === 'https:') return requestHttps(url, { ...options, ...(ca !== undefined && { ca }) });
    if (allowPublicPlainText) return requestHttp(url, options);
    const address = addressOf(url.hostname);
    if (address !== undefined && !isPrivateAddress(address)) throw publicPlainText();
    return requestHttp(url, { ...options, lookup: lookupPrivate });
  }

  #send(request: ClientRequest, event: ActionEvent): void {
    const { signingSecret, clock } = this.#options;
    const body = JSON.stringify(event);
    request.setHeader('idempotency-key', event.eventId);
    if (signingSecret !== undefined) {
      request.setHeader(SIGNATURE_HEADER, signatureHeader(signingSecret, body, clock.wallMs()));
    }
    request.setHeader('content-length', Buffer.byteLength(body));
    request.end(body);
  }
}

/** Resolves when the answer has been read. @param send called once there is a connection: before, nothing leaves */
function exchange(request: ClientRequest, progress: Progress, send: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.once('socket', (socket) => {
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
        progress.isSent = true;
        send();
      });
    });
    request.once('response', (response) => {
      progress.statusCode = response.statusCode;
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

/** Without the error's own words, which hold the address. */
function failureOf(error: unknown, { isSent }: Progress): AppError {
  if (isAppError(error)) return error;
  if (!isSent) return unreachable();
  return new AppError('ACTION.INTERRUPTED_TRANSFER', 'The connection was lost before the answer.');
}

function unreachable(): AppError {
  return notReceived('ACTION.UNREACHABLE', 'There is no connection to the receiver.');
}

/** Resolves a name to private addresses alone, at the moment of connecting: what it meant before does not count. */
const lookupPrivate: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    const addresses = error ? [] : found.filter(({ address }) => isPrivateAddress(address));
    const [first] = addresses;
    if (first === undefined) callback(error ?? publicPlainText(), '', 0);
    else if (options.all) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

function publicPlainText(): AppError {
  return new AppError('ACTION.PUBLIC_PLAIN_TEXT', 'The receiver is outside of private networks, and http is plain.');
}

function timedOut(): AppError {
  return new AppError('ACTION.TIMED_OUT', 'The receiver did not answer in time.');
}
