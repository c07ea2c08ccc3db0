import { readFileSync } from 'node:fs';
import type { KeyObject } from 'node:crypto';

import type { SealedTemplateKey } from '@sightline/contracts';
import { writeFileDurably } from '@sightline/host';
import { isAppError, type DeviceId, type KeyId, type Logger, type TenantId } from '@sightline/kernel';
import { openTemplateKey, templateKeyId, type TemplateKey } from '@sightline/template-protection';
import { z } from 'zod';

const SECRET_BYTES = 32;

const storedSchema = z.object({
  tenantId: z.string(),
  epoch: z.number().int().min(1),
  secret: z.base64().refine((text) => Buffer.from(text, 'base64').length === SECRET_BYTES),
});

export interface BoxTemplateKeyOptions {
  /** The key that the box was provisioned with. */
  readonly provisioned: TemplateKey;
  readonly deviceId: DeviceId;
  /** Where a later key is kept, 0600. */
  readonly path: string;
  /** Of the certificate that the box shows; undefined where it has none. */
  readonly privateKey: () => Promise<KeyObject | undefined>;
  readonly log: Logger;
}

/**
 * The template key that the box protects with: the one that it was provisioned with, or a later one that the cloud has
 * sent, sealed to the box's own key.
 *
 * Invariants: the epoch never falls; a key is on disk before it is used.
 */
export class BoxTemplateKey {
  readonly #options: BoxTemplateKeyOptions;
  #current: TemplateKey;

  constructor(options: BoxTemplateKeyOptions) {
    const { provisioned } = options;
    this.#options = options;
    const stored = this.#read();
    this.#current = stored && stored.epoch > provisioned.epoch ? stored : provisioned;
  }

  get current(): TemplateKey {
    return this.#current;
  }

  get keyId(): KeyId {
    return templateKeyId(this.#current);
  }

  /**
   * Takes the key that the cloud desires.
   *
   * @returns whether it is another one now; never throws: a key that cannot be opened or kept is said in the log, and
   *   the cloud sees by the box's birth that it has the old one
   */
  async take(delivered: SealedTemplateKey | undefined): Promise<boolean> {
    if (delivered === undefined || delivered.epoch <= this.#current.epoch) return false;
    const { deviceId, path, privateKey, log } = this.#options;
    const { tenantId } = this.#current;
    const keyId = delivered.keyId as KeyId;
    try {
      const own = await privateKey();
      if (own === undefined) {
        log.error(
          { code: 'TEMPLATE_KEY.NO_CERTIFICATE', keyId },
          'a template key came, and the box has no key to open it',
        );
        return false;
      }
      const key = openTemplateKey({ ...delivered, keyId }, { tenantId, deviceId }, own);
      const stored = { tenantId, epoch: key.epoch, secret: Buffer.from(key.secret).toString('base64') };
      await writeFileDurably(path, `${JSON.stringify(stored)}\n`, 0o600);
      this.#current = key;
      log.info({ keyId, epoch: key.epoch }, 'templates are protected with another key from now on');
      return true;
    } catch (error) {
      const code = isAppError(error) ? error.code : 'TEMPLATE_KEY.NOT_KEPT';
      log.error({ code, keyId }, 'a template key was not taken');
      return false;
    }
  }

  /** What is damaged, or of another tenant, counts as absent: the cloud sends the key again. */
  #read(): TemplateKey | undefined {
    const { path, log, provisioned } = this.#options;
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
    try {
      const { tenantId, epoch, secret } = storedSchema.parse(JSON.parse(text));
      if (tenantId !== provisioned.tenantId) return undefined;
      return { tenantId: tenantId as TenantId, epoch, secret: new Uint8Array(Buffer.from(secret, 'base64')) };
    } catch {
      log.error({ code: 'TEMPLATE_KEY.DAMAGED' }, 'the template key that the cloud has sent cannot be read');
      return undefined;
    }
  }
}
