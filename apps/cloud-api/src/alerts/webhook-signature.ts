import { createHmac, randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

export const newWebhookSecret = (): Uint8Array => new Uint8Array(randomBytes(SECRET_BYTES));

/** A secret as its receiver keeps it (Standard Webhooks 1.0.0, "Signature scheme"). */
export const webhookSecretText = (secret: Uint8Array): string => `${PREFIX}${Buffer.from(secret).toString('base64')}`;

/**
 * The headers that say which message it is, when it was sent, and that we sent it: `v1,` and the base64 of HMAC-SHA256 over
 * `{id}.{timestamp}.{body}`, one for each secret, with blanks between (Standard Webhooks 1.0.0, "Webhook headers" and
 * "Signature scheme").
 *
 * @param id without a full stop
 * @param wallMs ms since the Unix epoch
 */
export function signedHeaders(
  secrets: readonly Uint8Array[],
  { id, body, wallMs }: { readonly id: string; readonly body: string; readonly wallMs: number },
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(wallMs / 1000));
  const signatures = secrets.map((secret) => {
    const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
    return `v1,${mac}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
