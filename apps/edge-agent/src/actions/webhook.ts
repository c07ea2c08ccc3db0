import { isPrivateAddress, sendToWebhook, type WebhookMessage, type WebhookOutcome } from '@sightline/messaging';
import { AppError, type Clock } from '@sightline/kernel';

import type { ActionEvent } from './action-event.js';
import { notReceived, type Attempt, type Performer } from './performer.js';
import { SIGNATURE_HEADER, signatureHeader } from './signature.js';

/** A webhook with its secrets. */
export interface WebhookOptions {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signingSecret: string | undefined;
  /** Of one attempt, ms. */
  readonly timeoutMs: number;
  /** PEM. */
  readonly certificateAuthority: string | undefined;
  readonly allowPublicPlainText: boolean;
  readonly clock: Clock;
}

/** Sends events to an HTTP server. */
export class Webhook implements Performer {
  readonly #options: WebhookOptions;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /**
   * @throws AppError `ACTION.UNREACHABLE`, `ACTION.LATE`, `ACTION.PUBLIC_PLAIN_TEXT` (nothing was sent),
   *   `ACTION.INTERRUPTED_TRANSFER`, `ACTION.TIMED_OUT` (it may have been received), `ACTION.REFUSED` (the answer
   *   was no success), `ACTION.ABORTED`
   */
  async perform({ event, startWithinMs, signal }: Attempt): Promise<void> {
    const { url, method, headers, timeoutMs, certificateAuthority, allowPublicPlainText, clock } = this.#options;
    const isPlainText = url.protocol === 'http:' && !allowPublicPlainText;
    const outcome = await sendToWebhook({
      ...{ url, method, headers, timeoutMs, certificateAuthority, clock, signal, connectWithinMs: startWithinMs },
      admits: isPlainText ? isPrivateAddress : () => true,
      message: () => this.#message(event()),
    });
    if (outcome.kind === 'answered' && outcome.statusCode >= 200 && outcome.statusCode <= 299) return;
    throw failureOf(outcome);
  }

  async close(): Promise<void> {
    // Nothing stays open between events.
  }

  #message(event: ActionEvent): WebhookMessage {
    const { signingSecret, clock } = this.#options;
    const body = JSON.stringify(event);
    const signature = signingSecret !== undefined && {
      [SIGNATURE_HEADER]: signatureHeader(signingSecret, body, clock.wallMs()),
    };
    return { body, headers: { 'idempotency-key': event.eventId, ...signature } };
  }
}

/** In words of its own: none of them holds the address. */
function failureOf(outcome: WebhookOutcome): AppError {
  switch (outcome.kind) {
    case 'answered': {
      const details = { statusCode: outcome.statusCode };
      return new AppError('ACTION.REFUSED', 'The receiver did not answer with a success.', { details });
    }
    case 'unreachable':
      return notReceived('ACTION.UNREACHABLE', 'There is no connection to the receiver.');
    case 'late':
      return notReceived('ACTION.LATE', 'It is too late.');
    case 'forbidden-address': {
      const message = 'The receiver is outside of private networks, and http is plain.';
      return new AppError('ACTION.PUBLIC_PLAIN_TEXT', message);
    }
    case 'timed-out':
      return new AppError('ACTION.TIMED_OUT', 'The receiver did not answer in time.');
    case 'interrupted':
      return new AppError('ACTION.INTERRUPTED_TRANSFER', 'The connection was lost before the answer.');
    case 'aborted':
      return new AppError('ACTION.ABORTED', 'The agent has ended.');
  }
}
