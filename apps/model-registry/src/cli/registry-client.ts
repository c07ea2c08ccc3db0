import { AppError } from '@sightline/kernel';
import { rest } from '@sightline/contracts';
import { z } from 'zod';

/** How a command reaches the registry, and who it is. */
export interface Connection {
  /** Base address of the registry. */
  readonly url: string;
  /** A token, as it is. */
  readonly token?: string | undefined;
  /** An API key of cloud-api, for which a token is got. */
  readonly apiKey?: string | undefined;
  readonly cloudApiUrl?: string | undefined;
}

const issuedSchema = z.object({ accessToken: z.string() });

/** Asks the registry's REST interface. */
export class RegistryClient {
  readonly #connection: Connection;
  #token: Promise<string> | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * @param body sent as JSON, or as it is where it is a stream
   * @throws AppError with the code of the registry's answer; `SERVICE.UNAVAILABLE` when it cannot be reached
   */
  async ask<Schema extends z.ZodType>(
    schema: Schema,
    method: string,
    path: string,
    body?: object | ReadableStream<Uint8Array>,
  ): Promise<z.output<Schema>> {
    this.#token ??= this.#login();
    const response = await send(this.#connection.url, path, method, await this.#token, body);
    const text = await response.text();
    if (!response.ok) throw refusalOf(text, response.status);
    return schema.parse(text === '' ? null : JSON.parse(text));
  }

  /** An API key lasts; what the registry takes is a token for it. */
  async #login(): Promise<string> {
    const { token, apiKey, cloudApiUrl } = this.#connection;
    if (token !== undefined) return token;
    if (apiKey === undefined || cloudApiUrl === undefined) {
      throw new AppError(
        'CONFIG.INVALID',
        'Say who you are: SIGHTLINE_TOKEN, or SIGHTLINE_API_KEY and SIGHTLINE_CLOUD_API_URL.',
      );
    }
    const response = await send(cloudApiUrl, '/v1/tokens', 'POST', apiKey);
    const text = await response.text();
    if (!response.ok) throw refusalOf(text, response.status);
    return issuedSchema.parse(JSON.parse(text)).accessToken;
  }
}

async function send(
  base: string,
  path: string,
  method: string,
  token: string,
  body?: object | ReadableStream<Uint8Array>,
): Promise<Response> {
  const isStream = body instanceof ReadableStream;
  const type = isStream ? 'application/octet-stream' : 'application/json';
  return fetch(new URL(path, base), {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': type }) },
    ...(body !== undefined && { body: isStream ? body : JSON.stringify(body), duplex: 'half' }),
  }).catch((cause: unknown) => {
    throw new AppError('SERVICE.UNAVAILABLE', `${base} cannot be reached.`, { retryable: true, cause });
  });
}

function refusalOf(text: string, status: number): AppError {
  const problem = rest.problemSchema.safeParse(parseJson(text));
  if (!problem.success) return new AppError('SERVICE.UNAVAILABLE', `The answer was ${status}, and not the registry's.`);
  const { code, detail, errors = [], retryable } = problem.data;
  const fields = errors.map(({ path, message }) => `\n  ${path}: ${message}`).join('');
  return new AppError(code as AppError['code'], `${detail}${fields}`, { retryable });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
