import type { KeyObject } from 'node:crypto';

import { AppError, type DeviceId, type KeyId, type TenantId } from '@sightline/kernel';

import { templateKeyId, type TemplateKey } from './protector.js';
import { openWithPrivateKey, sealToKey, type SealedToKey } from './sealing.js';

/** A template key on its way to one box. */
export interface DeliveredTemplateKey extends SealedToKey {
  readonly keyId: KeyId;
  readonly epoch: number;
}

const contextOf = (tenantId: TenantId, deviceId: DeviceId, keyId: string): string =>
  JSON.stringify(['sightline/template-key-delivery/v1', tenantId, deviceId, keyId]);

/** Seals a template key for a box. @param publicKey of its certificate, on P-256 */
export function sealTemplateKey(key: TemplateKey, deviceId: DeviceId, publicKey: KeyObject): DeliveredTemplateKey {
  const keyId = templateKeyId(key);
  const sealed = sealToKey(publicKey, key.secret, contextOf(key.tenantId, deviceId, keyId));
  return { ...sealed, keyId, epoch: key.epoch };
}

/**
 * What the box makes of it.
 *
 * @param privateKey of its certificate
 * @throws AppError `SEALING.BROKEN` when it is for another box or key, or was changed
 */
export function openTemplateKey(
  delivered: DeliveredTemplateKey,
  box: { readonly tenantId: TenantId; readonly deviceId: DeviceId },
  privateKey: KeyObject,
): TemplateKey {
  const { keyId, epoch } = delivered;
  const { tenantId, deviceId } = box;
  const secret = openWithPrivateKey(privateKey, delivered, contextOf(tenantId, deviceId, keyId));
  const key = { tenantId, epoch, secret };
  if (templateKeyId(key) !== keyId) {
    throw new AppError('SEALING.BROKEN', 'The template key is not the one that it is named.');
  }
  return key;
}
