import type { IncomingMessage, ServerResponse } from 'node:http';

/** No browser shows an answer of ours as a page, guesses its type, puts it into a frame, or tells others where it was. */
const always: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

/** The page at /docs has scripts of its own origin, and styles and pictures within its text. */
const OF_DOCS = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
const docs = /^\/docs(?:[/?]|$)/;

/**
 * Sets the security headers of an answer, whatever it will be; a route that shows a page replaces the policy by its own.
 * Strict-Transport-Security is left to the proxy that speaks TLS: here nobody knows whether there is one.
 */
export function setSecurityHeaders({ url = '' }: Pick<IncomingMessage, 'url'>, answer: ServerResponse): void {
  for (const [name, value] of Object.entries(always)) answer.setHeader(name, value);
  if (docs.test(url)) answer.setHeader('content-security-policy', OF_DOCS);
}

/** The same for what is answered before there is a request, as lines of a head. */
export const securityHeaderLines: readonly string[] = Object.entries(always).map(
  ([name, value]) => `${name}: ${value}`,
);
