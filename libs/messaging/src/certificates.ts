import { readFile } from 'node:fs/promises';

import { AppError, errorMessage, isAppError } from '@sightline/kernel';

/** PEM texts. The server's certificate is always verified. */
export interface MqttTls {
  readonly ca?: string;
  readonly certificate?: string;
  readonly privateKey?: string;
}

/** Reads what may change while the program runs: a renewed certificate. */
export type MqttTlsSource = () => Promise<MqttTls>;

/** What the connections of one client show and trust, and whether that has changed since. */
export class Certificates {
  readonly #source: MqttTlsSource | undefined;
  readonly #fixed: MqttTls | undefined;
  #used: string | undefined;

  constructor(tls: MqttTls | MqttTlsSource | undefined) {
    if (typeof tls === 'function') this.#source = tls;
    else this.#fixed = tls;
  }

  get mayChange(): boolean {
    return this.#source !== undefined;
  }

  /**
   * For the next connection.
   *
   * @throws AppError `MQTT.CERTIFICATE_UNREADABLE` (retryable), or the source's own
   */
  async take(): Promise<MqttTls | undefined> {
    if (!this.#source) return this.#fixed;
    try {
      const tls = await this.#source();
      this.#used = JSON.stringify(tls);
      return tls;
    } catch (cause) {
      this.#used = undefined;
      if (isAppError(cause)) throw cause;
      throw new AppError('MQTT.CERTIFICATE_UNREADABLE', errorMessage(cause), { retryable: true, cause });
    }
  }

  /** Whether the next connection would use others than the last. */
  async haveChanged(): Promise<boolean> {
    try {
      return this.#source !== undefined && JSON.stringify(await this.#source()) !== this.#used;
    } catch {
      // In the middle of being replaced: the next look tells.
      return false;
    }
  }
}

/** Each a path of a PEM file, or the PEM text itself. */
export interface CertificateFiles {
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** Certificates that are read anew for each connection, so that a renewed file is taken without a restart. */
export function certificatesFrom({ ca, certificate, key }: CertificateFiles): MqttTlsSource {
  return async () => {
    const [caText, certificateText, keyText] = await Promise.all([ca, certificate, key].map(pemText));
    return {
      ...(caText !== undefined && { ca: caText }),
      ...(certificateText !== undefined && { certificate: certificateText }),
      ...(keyText !== undefined && { privateKey: keyText }),
    };
  };
}

async function pemText(value: string | undefined): Promise<string | undefined> {
  return value === undefined || value.includes('-----BEGIN ') ? value : readFile(value, 'utf8');
}
