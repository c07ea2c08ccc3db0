import type { rest } from '@sightline/contracts';
import { tenantTopicOf } from '@sightline/contracts';
import { isAppError, type Clock } from '@sightline/kernel';
import { isPublicAddress, sendToWebhook, type MqttConnection, type WebhookOutcome } from '@sightline/messaging';
import { Inject, Injectable } from '@nestjs/common';

import type { CloudApiConfig } from '../config.js';
import { CLOCK, CONFIG, MQTT } from '../platform/tokens.js';
import { unwrapSecret } from '../template-keys/key-wrapping.js';
import { retryAfterMs, type AttemptResult, type SubscriptionRow } from './delivery-rules.js';
import { signedHeaders } from './webhook-signature.js';

/** Where the chance in pauses comes from: uniform in [0, 1). */
export const ALERT_RANDOM = Symbol('random numbers for pauses');
/** Of one attempt, with its answer, ms. */
export const ATTEMPT_MS = 10_000;

const codes: Readonly<Record<Exclude<WebhookOutcome['kind'], 'answered'>, string>> = {
  unreachable: 'WEBHOOK.UNREACHABLE',
  late: 'WEBHOOK.UNREACHABLE',
  'forbidden-address': 'WEBHOOK.ADDRESS_REFUSED',
  'timed-out': 'WEBHOOK.TIMED_OUT',
  interrupted: 'WEBHOOK.INTERRUPTED',
  aborted: 'WEBHOOK.ABORTED',
};

/** The name under which a subscription's secrets are wrapped. */
export const secretName = ({ tenantId, id }: Pick<SubscriptionRow, 'tenantId' | 'id'>): string =>
  `alert-subscription/${tenantId}/${id}`;

/** Tells one subscriber one message, once. */
@Injectable()
export class AlertSender {
  constructor(
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'webhooks' | 'keyEncryptionKey'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(MQTT) private readonly mqtt: Pick<MqttConnection, 'publish'>,
  ) {}

  /** Whether this installation sends to an address at all, as far as that can be told without asking for its name. */
  maySendTo(url: URL): boolean {
    return this.config.webhooks?.privateNetworks === true || url.protocol === 'https:';
  }

  /** Never rejects for what the receiver does. */
  async send(subscription: SubscriptionRow, message: rest.AlertMessage, signal: AbortSignal): Promise<AttemptResult> {
    const startedMs = this.clock.monotonicMs();
    const result =
      subscription.url === null
        ? await this.#publish(subscription, message, signal)
        : await this.#post(new URL(subscription.url), subscription, message, signal);
    return { ...result, durationMs: this.clock.monotonicMs() - startedMs };
  }

  async #post(
    url: URL,
    subscription: SubscriptionRow,
    message: rest.AlertMessage,
    signal: AbortSignal,
  ): Promise<Omit<AttemptResult, 'durationMs'>> {
    if (!this.maySendTo(url)) return { delivered: false, statusCode: null, code: 'WEBHOOK.ADDRESS_REFUSED' };
    const secrets = this.#secretsOf(subscription);
    if (secrets === undefined) return { delivered: false, statusCode: null, code: 'WEBHOOK.SECRET_UNREADABLE' };
    const body = JSON.stringify(message);
    const outcome = await sendToWebhook({
      ...{ url, method: 'POST', headers: { 'user-agent': 'sightline' }, timeoutMs: ATTEMPT_MS },
      message: () => ({ body, headers: signedHeaders(secrets, { id: message.id, body, wallMs: this.clock.wallMs() }) }),
      admits: this.config.webhooks?.privateNetworks === true ? () => true : isPublicAddress,
      ...{ clock: this.clock, signal },
    });
    if (outcome.kind !== 'answered') return { delivered: false, statusCode: null, code: codes[outcome.kind] };
    const { statusCode, retryAfter } = outcome;
    const delivered = statusCode >= 200 && statusCode <= 299;
    return {
      ...{ delivered, statusCode, code: delivered ? null : 'WEBHOOK.REFUSED' },
      retryAfterMs: delivered ? undefined : retryAfterMs(retryAfter, this.clock.wallMs()),
    };
  }

  /** @returns undefined when they do not open: they were wrapped under another key-encryption key */
  #secretsOf(subscription: SubscriptionRow): readonly Uint8Array[] | undefined {
    const { wrappedSecret, wrappedPreviousSecret, previousSecretExpiresAt } = subscription;
    const isOldValid = previousSecretExpiresAt !== null && previousSecretExpiresAt.getTime() > this.clock.wallMs();
    const wrapped = [wrappedSecret, isOldValid ? wrappedPreviousSecret : null].filter((secret) => secret !== null);
    try {
      return wrapped.map((secret) => unwrapSecret(secret, this.config.keyEncryptionKey, secretName(subscription)));
    } catch {
      return undefined;
    }
  }

  async #publish(
    { tenantId }: SubscriptionRow,
    message: rest.AlertMessage,
    signal: AbortSignal,
  ): Promise<Omit<AttemptResult, 'durationMs'>> {
    const over = new AbortController();
    const bounds = AbortSignal.any([signal, over.signal]);
    void this.clock.sleep(ATTEMPT_MS, bounds).then(
      () => over.abort(),
      () => undefined,
    );
    try {
      const payload = Buffer.from(JSON.stringify(message));
      await this.mqtt.publish(tenantTopicOf(tenantId, 'alert'), payload, { qos: 1, retain: false, signal: bounds });
      return { delivered: true, statusCode: null, code: null };
    } catch (error) {
      if (signal.aborted) return { delivered: false, statusCode: null, code: codes.aborted };
      const code = isAppError(error) ? error.code : 'MQTT.TIMED_OUT';
      return { delivered: false, statusCode: null, code };
    } finally {
      over.abort();
    }
  }
}
