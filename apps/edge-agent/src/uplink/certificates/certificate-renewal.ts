import { backoffMs, errorMessage, isAppError, type Clock, type Logger } from '@sightline/kernel';

import type { UplinkPart } from '../uplink-part.js';
import type { CertificateFile } from './certificate-file.js';
import { keyPem, newDeviceKey } from './certificate-request.js';
import { renewCertificate } from './certificate-service.js';

export interface CertificateRenewalOptions {
  readonly file: CertificateFile;
  /** Base address of the cloud API. */
  readonly url: string;
  readonly username: string;
  /** Unix time, as far as the box can know it. */
  readonly nowMs: () => number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/** A box begins to renew between these parts of a certificate's life, so that a fleet does not come all at once. */
const RENEW_FROM = 0.5;
const RENEW_UNTIL = 0.6;
/** The clock may jump: it is looked at again after so long, ms. */
const LOOK_EVERY_MS = 600_000;
const RETRY = { baseMs: 60_000, capMs: 3_600_000 };
/** Of a short life, retries are as short: part of it that lies between two at first. */
const RETRY_SHARE = 0.01;

/**
 * Renews the box's certificate while the agent runs, well before two thirds of its life have passed. The connection
 * takes the new one by itself: it looks at the file.
 */
export class CertificateRenewal implements UplinkPart {
  readonly #options: CertificateRenewalOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: CertificateRenewalOptions) {
    this.#options = options;
  }

  attach(): void {
    this.#running ??= this.#run();
  }

  connected(): void {
    // It goes its own way, over HTTPS.
  }

  disconnected(): void {
    // As above.
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the agent stops'));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, random, file } = this.#options;
    const { signal } = this.#stopping;
    const isStopping = (): boolean => signal.aborted;
    let share = RENEW_FROM + random() * (RENEW_UNTIL - RENEW_FROM);
    let failures = 0;
    while (!isStopping()) {
      let waitMs = Math.min(this.#dueInMs(share), LOOK_EVERY_MS);
      if (waitMs <= 0) {
        const isRenewed = await this.#tryToRenew(failures === 0);
        failures = isRenewed ? 0 : failures + 1;
        if (isRenewed) share = RENEW_FROM + random() * (RENEW_UNTIL - RENEW_FROM);
        const lifeMs = file.current.notAfterMs - file.current.notBeforeMs;
        const baseMs = Math.min(RETRY.baseMs, lifeMs * RETRY_SHARE);
        // After a success too: by a clock that is years ahead the next one would be due at once.
        waitMs = backoffMs(failures, { ...RETRY, baseMs, random });
      }
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** @param isNews a failure is to be reported */
  async #tryToRenew(isNews: boolean): Promise<boolean> {
    const { file, log } = this.#options;
    const { signal } = this.#stopping;
    try {
      await this.#renew(signal);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const code = isAppError(error) ? error.code : 'CERTIFICATE.RENEWAL_FAILED';
      const facts = { code, reason: errorMessage(error), expiresAt: new Date(file.current.notAfterMs).toISOString() };
      log[isNews ? 'error' : 'debug'](facts, 'the certificate cannot be renewed');
      return false;
    }
  }

  #dueInMs(share: number): number {
    const { notBeforeMs, notAfterMs } = this.#options.file.current;
    return notBeforeMs + share * (notAfterMs - notBeforeMs) - this.#options.nowMs();
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { file, url, username, log } = this.#options;
    const { serialNumber, key } = file.current;
    const next = newDeviceKey();
    const { certificate, expiresAt } = await renewCertificate(url, { serialNumber, key, next, username }, signal);
    file.replace(certificate, keyPem(next));
    log.info({ expiresAt }, 'the certificate was renewed');
  }
}
