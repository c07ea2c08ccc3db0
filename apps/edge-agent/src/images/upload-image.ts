import { rest } from '@sightline/contracts';
import { AppError, errorMessage } from '@sightline/kernel';

// The client of tus resumable uploads 1.0.0 (tus.io), as far as it is needed: creation, and the core protocol.

const TIMEOUT_MS = 60_000;
const TUS = { 'tus-resumable': '1.0.0' };
/** What one request carries, bytes: what a slow line takes within a minute. */
const PART_BYTES = 64 * 1024;
const ANSWER_BYTES = 16 * 1024;
const loopback = new Set(['127.0.0.1', 'localhost', '[::1]']);

interface ImageUpload {
  /** Base address of the cloud API. */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly digest: string;
  readonly sealed: Uint8Array;
}

/**
 * Uploads a sealed image; goes on where an earlier attempt was cut. Resolves once the cloud has stored it.
 *
 * @throws AppError as the cloud answers: not retryable when it does not want the image; `IMAGE_UPLOAD.UNREACHABLE`
 *   (retryable); `IMAGE_UPLOAD.INSECURE` (retryable) for an address without TLS, which the box shows no password
 */
export async function uploadImage(upload: ImageUpload, signal: AbortSignal): Promise<void> {
  const { digest, sealed } = upload;
  const metadata = `digest ${Buffer.from(digest).toString('base64')}`;
  const begin = { 'upload-length': String(sealed.length), 'upload-metadata': metadata };
  let offset = offsetOf(await send(upload, { method: 'POST', path: 'v1/image-uploads', headers: begin }, signal));
  while (offset < sealed.length) {
    const part = sealed.subarray(offset, offset + PART_BYTES);
    const headers = { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' };
    const request = { method: 'PATCH', path: `v1/image-uploads/${digest}`, headers, body: part };
    const next = offsetOf(await send(upload, request, signal));
    if (next <= offset) throw unreachable('The cloud does not take what is sent.');
    offset = next;
  }
}

interface TusRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

async function send(
  { url, username, password }: ImageUpload,
  { method, path, headers, body }: TusRequest,
  signal: AbortSignal,
): Promise<Response> {
  const address = new URL(path, url.endsWith('/') ? url : `${url}/`);
  if (address.protocol !== 'https:' && !loopback.has(address.hostname)) {
    throw new AppError('IMAGE_UPLOAD.INSECURE', 'Images are uploaded over HTTPS alone.', { retryable: true });
  }
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  let response: Response;
  try {
    response = await fetch(address, {
      method,
      headers: { ...TUS, authorization, ...headers },
      ...(body && { body: Buffer.from(body) }),
      // The password is meant for this address alone.
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
  } catch (cause) {
    throw unreachable(`The cloud cannot be reached: ${errorMessage(cause)}`, cause);
  }
  if (!response.ok) throw await refusalOf(response);
  await response.arrayBuffer().catch(() => undefined);
  return response;
}

function offsetOf(response: Response): number {
  const offset = Number(response.headers.get('upload-offset') ?? NaN);
  if (!Number.isInteger(offset) || offset < 0)
    throw unreachable('Whoever answers at the address of the cloud is not it.');
  return offset;
}

async function refusalOf(response: Response): Promise<AppError> {
  const text = await response.text().catch(() => '');
  const problem = rest.problemSchema.safeParse(parseJson(text.slice(0, ANSWER_BYTES)));
  if (!problem.success) return unreachable(`The cloud answers with status ${response.status}.`);
  const { code, detail, retryable, retryAfterSeconds } = problem.data;
  // Of credentials that are wrong now, and of an offset that another attempt has moved, the image knows nothing.
  const mayPass = retryable || [401, 403, 409].includes(response.status);
  const known = /^SEALED_IMAGE\.[A-Z_]+$/.test(code) ? (code as AppError['code']) : 'IMAGE_UPLOAD.REFUSED';
  const details = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } };
  return new AppError(known, detail, { retryable: mayPass, ...details });
}

const unreachable = (sentence: string, cause?: unknown): AppError =>
  new AppError('IMAGE_UPLOAD.UNREACHABLE', sentence, { retryable: true, cause });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
