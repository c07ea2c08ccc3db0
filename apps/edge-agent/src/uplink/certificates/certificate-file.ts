import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { writeFileDurablySync } from '@sightline/host';
import { AppError, type Logger } from '@sightline/kernel';

/** A certificate and its key, as they are used. */
export interface DeviceCertificate {
  /** Hexadecimal, lower case. */
  readonly serialNumber: string;
  readonly key: KeyObject;
  /** Unix time. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

interface Loaded extends DeviceCertificate {
  readonly text: string;
}

/**
 * The certificate that the box runs on, with its key, in one file of the data directory: so that a renewal, which
 * replaces both, is whole or did not happen. It begins with what the box was provisioned with.
 */
export class CertificateFile {
  readonly path: string;
  #current: Loaded;

  /**
   * Takes what the file has, or what was provisioned where that is newer: the box was enrolled anew.
   *
   * @param provisioned PEM texts, or paths of such
   * @throws AppError `CONFIG.INVALID` when the provisioned certificate and key are none, or none of one kind
   */
  constructor(path: string, provisioned: { readonly certificate: string; readonly key: string }, log: Logger) {
    this.path = path;
    const given = loadProvisioned(`${pemText(provisioned.certificate).trim()}\n${pemText(provisioned.key).trim()}\n`);
    const stored = readStored(path, log);
    const isNewer = stored === undefined || given.notBeforeMs > stored.notBeforeMs;
    this.#current = isNewer ? given : stored;
    if (isNewer) this.#write(given.text);
  }

  get current(): DeviceCertificate {
    return this.#current;
  }

  /**
   * Puts a renewed certificate and its key in the place of what there is.
   *
   * @throws AppError `CERTIFICATE.FOREIGN` when the certificate is not of this key
   */
  replace(certificate: string, keyPem: string): void {
    const loaded = load(`${certificate.trim()}\n${keyPem.trim()}\n`);
    if (loaded === undefined) throw new AppError('CERTIFICATE.FOREIGN', 'The new certificate is not of the new key.');
    this.#write(loaded.text);
    this.#current = loaded;
  }

  #write(text: string): void {
    writeFileDurablySync(this.path, text, 0o600);
  }
}

function readStored(path: string, log: Logger): Loaded | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const loaded = load(text);
  if (!loaded)
    log.error({ code: 'CERTIFICATE.UNREADABLE', path }, 'the certificate is damaged: using the provisioned one');
  return loaded;
}

function loadProvisioned(text: string): Loaded {
  const loaded = load(text);
  if (loaded) return loaded;
  throw new AppError('CONFIG.INVALID', 'The provisioned certificate and its key cannot be used together.', {
    details: { keys: ['provisioning.mqtt.tls.certificate'] },
  });
}

/** Each section of a PEM text is found by whoever looks for its kind. */
function load(text: string): Loaded | undefined {
  try {
    const certificate = new X509Certificate(text);
    const key = createPrivateKey(text.slice(text.search(/-----BEGIN [A-Z ]*PRIVATE KEY-----/)));
    if (!certificate.checkPrivateKey(key)) return undefined;
    return {
      ...{ text, key, serialNumber: certificate.serialNumber.toLowerCase() },
      notBeforeMs: Date.parse(certificate.validFrom),
      notAfterMs: Date.parse(certificate.validTo),
    };
  } catch {
    // Without the reason, which may quote the key.
    return undefined;
  }
}

function pemText(value: string): string {
  return value.includes('-----BEGIN ') ? value : readFileSync(value, 'utf8');
}
