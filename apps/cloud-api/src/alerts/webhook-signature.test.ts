import { describe, expect, it } from 'vitest';

import { newWebhookSecret, signedHeaders, webhookSecretText } from './webhook-signature.js';

type IsGenuine = (
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  secret: string,
  nowSeconds?: number,
) => boolean;
const example = new URL('../../../../docs/examples/verify-alert.mjs', import.meta.url);

describe('the signature of a webhook', () => {
  it('is what Standard Webhooks gives as its example', () => {
    const secret = new Uint8Array(Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64'));
    const body = '{"test": 2432232314}';
    const headers = signedHeaders([secret], { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body, wallMs: 1_614_265_330_999 });
    expect(headers).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('is checked as the documentation does it, with either of two secrets, and in time', async () => {
    const { isGenuine } = (await import(example.href)) as { readonly isGenuine: IsGenuine };
    const [current, previous, foreign] = [newWebhookSecret(), newWebhookSecret(), newWebhookSecret()];
    const body = JSON.stringify({ id: 'a_raised', text: 'ü' });
    const headers = signedHeaders([current, previous], { id: 'a_raised', body, wallMs: 1_800_000_000_000 });
    const check = (secret: Uint8Array, changes: { body?: string; id?: string; now?: number } = {}) =>
      isGenuine(
        { ...headers, ...(changes.id && { 'webhook-id': changes.id }) },
        Buffer.from(changes.body ?? body),
        webhookSecretText(secret),
        changes.now ?? 1_800_000_299,
      );
    expect([current, previous, foreign].map((secret) => check(secret))).toEqual([true, true, false]);
    expect(check(current, { body: `${body} ` })).toBe(false);
    expect(check(current, { id: 'b_raised' })).toBe(false);
    expect(check(current, { now: 1_800_000_301 })).toBe(false);
  });
});
