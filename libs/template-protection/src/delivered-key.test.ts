import { generateKeyPairSync } from 'node:crypto';

import type { DeviceId, KeyId, TenantId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { openTemplateKey, sealTemplateKey } from './delivered-key.js';
import { templateKeyId } from './protector.js';

const tenantId = 'acme' as TenantId;
const deviceId = 'gate-1' as DeviceId;
const key = { tenantId, epoch: 3, secret: new Uint8Array(32).fill(9) };
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const broken = expect.objectContaining({ code: 'SEALING.BROKEN' }) as Error;

describe('a template key that is delivered', () => {
  const delivered = sealTemplateKey(key, deviceId, publicKey);

  it('is the box’s, with its id and epoch', () => {
    expect(delivered).toMatchObject({ keyId: templateKeyId(key), epoch: 3 });
    expect(openTemplateKey(delivered, { tenantId, deviceId }, privateKey)).toEqual(key);
  });

  it('is nobody else’s: not of another box, tenant or key pair', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
    const open =
      (box: { tenantId?: string; deviceId?: string }, with_ = privateKey) =>
      () =>
        openTemplateKey(delivered, { tenantId, deviceId, ...box } as { tenantId: TenantId; deviceId: DeviceId }, with_);
    expect(open({}, other)).toThrow(broken);
    expect(open({ deviceId: 'gate-2' })).toThrow(broken);
    expect(open({ tenantId: 'other' })).toThrow(broken);
  });

  it('is refused under another id or epoch than its own', () => {
    const renamed = { ...delivered, keyId: 'f'.repeat(32) as KeyId };
    expect(() => openTemplateKey(renamed, { tenantId, deviceId }, privateKey)).toThrow(broken);
    expect(() => openTemplateKey({ ...delivered, epoch: 4 }, { tenantId, deviceId }, privateKey)).toThrow(broken);
  });
});
