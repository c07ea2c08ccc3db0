import { createHmac } from 'node:crypto';

export const SIGNATURE_HEADER = 'sightline-signature';

/**
 * The value of a webhook's signature header: `t=<seconds since the Unix epoch>,v1=<hexadecimal HMAC-SHA256>` over
 * the time, a full stop and the body, as Stripe's scheme has it. The time is in it so that a receiver can refuse
 * what somebody recorded and sends again.
 *
 * @param wallMs ms since the Unix epoch, by the box's clock
 */
export function signatureHeader(secret: string, body: string, wallMs: number): string {
  const seconds = Math.floor(wallMs / 1000);
  const mac = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},v1=${mac}`;
}
