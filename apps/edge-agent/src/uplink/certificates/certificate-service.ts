import { sign, type KeyObject } from 'node:crypto';

import { renewalStatement, rest } from '@sightline/contracts';
import { AppError, errorMessage } from '@sightline/kernel';

import { certificateRequest, requestPem } from './certificate-request.js';

const TIMEOUT_MS = 30_000;
/** A certificate and two authorities take less than a tenth of it. */
const ANSWER_BYTES = 64 * 1024;

/**
 * Asks the cloud for this box's first certificate. The same key may ask again when the answer was lost.
 *
 * @param url base address of the cloud API
 * @throws AppError `ENROLMENT_TOKEN.INVALID` and others that the cloud answers; `CERTIFICATE.UNREACHABLE` (retryable)
 */
export function enrolCertificate(
  url: string,
  { token, username, key }: { readonly token: string; readonly username: string; readonly key: KeyObject },
): Promise<rest.IssuedCertificate> {
  return ask(url, 'v1/device-certificates', {
    token,
    certificateRequest: requestPem(certificateRequest(username, key)),
  });
}

export interface Renewal {
  /** Hexadecimal, of the certificate in use. */
  readonly serialNumber: string;
  /** Of the certificate in use. */
  readonly key: KeyObject;
  readonly next: KeyObject;
  readonly username: string;
}

/**
 * Asks the cloud for the next certificate, on proof of the running one's key.
 *
 * @throws AppError `CERTIFICATE.NOT_RENEWABLE` and others that the cloud answers; `CERTIFICATE.UNREACHABLE` (retryable)
 */
export function renewCertificate(
  url: string,
  { serialNumber, key, next, username }: Renewal,
  signal?: AbortSignal,
): Promise<rest.IssuedCertificate> {
  const request = certificateRequest(username, next);
  const proof = sign('sha256', renewalStatement(serialNumber, request), key).toString('base64');
  const body = { serialNumber, certificateRequest: requestPem(request), proof };
  return ask(url, 'v1/device-certificates/renewals', body, signal);
}

async function ask(base: string, path: string, body: object, signal?: AbortSignal): Promise<rest.IssuedCertificate> {
  const url = new URL(path, base.endsWith('/') ? base : `${base}/`);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      // What proves who we are is meant for this address alone.
      redirect: 'error',
      signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
    });
    text = await response.text();
  } catch (cause) {
    const reason =
      cause instanceof Error && cause.cause !== undefined ? errorMessage(cause.cause) : errorMessage(cause);
    throw unreachable(`The cloud cannot be asked for a certificate: ${reason}`, cause);
  }
  return readAnswer(response, text.slice(0, ANSWER_BYTES));
}

function readAnswer(response: Response, text: string): rest.IssuedCertificate {
  const answer = parseJson(text);
  if (response.ok) {
    const issued = rest.issuedCertificateSchema.safeParse(answer);
    if (issued.success) return issued.data;
    throw unreachable('Whoever answers at the address of the cloud is not it.');
  }
  const problem = rest.problemSchema.safeParse(answer);
  if (!problem.success) throw unreachable(`The cloud answers with status ${response.status}.`);
  const { code, detail, retryable } = problem.data;
  const known = /^[A-Z][A-Z_]*\.[A-Z][A-Z0-9_]*$/.test(code) ? (code as AppError['code']) : 'CERTIFICATE.UNREACHABLE';
  throw new AppError(known, detail, { retryable });
}

const unreachable = (sentence: string, cause?: unknown): AppError =>
  new AppError('CERTIFICATE.UNREACHABLE', sentence, { retryable: true, cause });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
