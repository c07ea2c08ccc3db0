import { QdrantClient } from '@qdrant/js-client-rest';
import { AppError, backoffMs, type Clock } from '@sightline/kernel';

export interface QdrantServerOptions {
  /** Base address; a path in it is kept. The port of `http:` without one is 6333, of `https:` 443. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  readonly clock: Clock;
  /** How long one attempt of a search may take, ms. Default: 5 s. */
  readonly searchMs?: number | undefined;
  /** How long one attempt of a change may take, ms. Default: 10 s. */
  readonly changeMs?: number | undefined;
}

export type Deadline = 'search' | 'change';

export interface CallOptions {
  /** What is called, for the error. */
  readonly what: string;
  readonly deadline: Deadline;
  readonly signal?: AbortSignal | undefined;
}

/** One call of the client; `timeoutSeconds` is how long the server itself may take for it. */
export type QdrantCall<T> = (client: QdrantClient, timeoutSeconds: number) => Promise<T>;

const defaultSearchMs = 5_000;
const defaultChangeMs = 10_000;
/** Bound of the pause before the second attempt, ms; a server that asks for a longer one is not asked again. */
const longestPauseMs = 1_000;

/**
 * Qdrant's REST interface with what its client leaves out: deadlines by kind of call, one more attempt (every call that
 * is made here is idempotent: points have ids of their own, changes name the whole state), abortion, and errors that
 * say whether a retry may help. Of a failure nothing but its status is kept: Qdrant's messages may quote the request.
 */
export class QdrantServer {
  /** After this a change that was given up cannot be on its way any more, ms. */
  readonly longestChangeMs: number;
  readonly #clock: Clock;
  readonly #clients: Readonly<Record<Deadline, { readonly client: QdrantClient; readonly seconds: number }>>;

  constructor({ url, apiKey, clock, searchMs = defaultSearchMs, changeMs = defaultChangeMs }: QdrantServerOptions) {
    this.#clock = clock;
    this.longestChangeMs = 2 * changeMs + longestPauseMs;
    const client = (timeout: number) => ({
      client: new QdrantClient(clientOptions(url, apiKey, timeout)),
      seconds: Math.max(1, Math.ceil(timeout / 1000)),
    });
    this.#clients = { search: client(searchMs), change: client(changeMs) };
  }

  /**
   * @returns undefined for what does not exist (status 404)
   * @throws AppError `SERVICE.UNAVAILABLE` (retryable) for everything that Qdrant or the network refuse; the signal's
   *   reason
   */
  async call<T>(options: CallOptions, call: QdrantCall<T>): Promise<T | undefined> {
    const { deadline, signal } = options;
    const { client, seconds } = this.#clients[deadline];
    for (let attempt = 0; ; attempt += 1) {
      signal?.throwIfAborted();
      try {
        return await orAborted(call(client, seconds), signal);
      } catch (error) {
        signal?.throwIfAborted();
        const status = statusOf(error);
        if (status === 404) return undefined;
        const pauseMs = attempt === 0 ? pauseBeforeRetry(error, status) : undefined;
        if (pauseMs === undefined) throw unavailable(options.what, status, error);
        await this.#clock.sleep(pauseMs, signal);
      }
    }
  }
}

/** The client drops a URL's path, defaults to port 6333 even for https, and prints a warning for a key over http. */
function clientOptions(url: string, apiKey: string | undefined, timeout: number) {
  const { protocol, hostname, port, pathname } = new URL(url);
  const defaultPort = protocol === 'https:' ? 443 : 6333;
  return {
    host: hostname,
    https: protocol === 'https:',
    port: port === '' ? defaultPort : Number(port),
    ...(pathname !== '/' && { prefix: pathname.replace(/\/+$/, '') }),
    ...(apiKey !== undefined && { headers: { 'api-key': apiKey } }),
    timeout,
    checkCompatibility: false,
  };
}

/** The client's errors are told by what they carry: its classes exist once per module format. */
function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('retry_after' in error) return 429;
  return 'status' in error && typeof error.status === 'number' ? error.status : undefined;
}

/** @returns undefined when another attempt would not help */
function pauseBeforeRetry(error: unknown, status: number | undefined): number | undefined {
  if (status !== undefined && status < 500 && status !== 429) return undefined;
  // The client keeps the first digit of the header alone, so this is at most what the server asks for.
  const asked =
    typeof error === 'object' && error !== null && 'retry_after' in error ? 1000 * Number(error.retry_after) : 0;
  if (asked > longestPauseMs) return undefined;
  return Math.max(asked, backoffMs(0, { baseMs: 100, capMs: longestPauseMs }));
}

function unavailable(what: string, status: number | undefined, cause: unknown): AppError {
  const details = { operation: what, ...(status !== undefined && { status }) };
  return new AppError('SERVICE.UNAVAILABLE', 'The gallery does not answer as it should.', {
    retryable: true,
    details,
    // A failed request quotes it; a failed connection says which.
    ...(status === undefined && { cause }),
  });
}

/** The client cannot be aborted from outside: the answer is then for nobody. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    work.catch(() => undefined);
  }
}
