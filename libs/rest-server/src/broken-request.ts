import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

import { AppError } from '@sightline/kernel';

import { problemOf } from './problem.js';
import { securityHeaderLines } from './security-headers.js';

/** Node's own codes of what a server refuses before there is a request. */
const sentences: Readonly<Record<string, AppError>> = {
  ERR_HTTP_REQUEST_TIMEOUT: new AppError('REQUEST.TIMEOUT', 'The request did not arrive in time.', { retryable: true }),
  HPE_HEADER_OVERFLOW: new AppError('REQUEST.TOO_LARGE', 'The header of the request is too large.'),
};
const malformed = new AppError('REQUEST.INVALID', 'That is no HTTP request.');

/** Answers what never becomes a request, as one that is too slow, with a problem document, and closes the connection. */
export function answerBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problemOf(sentences[error.code ?? ''] ?? malformed);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    ...securityHeaderLines,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
