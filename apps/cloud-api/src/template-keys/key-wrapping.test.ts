import type { TenantId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { unwrapKey, wrapKey } from './key-wrapping.js';

const secret = new Uint8Array(32).fill(1);
const keyEncryptionKey = new Uint8Array(32).fill(2);
const owner = { tenantId: 'a' as TenantId, epoch: 1 };

describe('a wrapped template key', () => {
  const wrapped = wrapKey(secret, keyEncryptionKey, owner);

  it('opens under its key-encryption key', () => {
    expect(unwrapKey(wrapped, keyEncryptionKey, owner)).toEqual(secret);
  });

  it('does not show the secret, and looks different each time', () => {
    expect(Buffer.from(wrapped).includes(Buffer.from(secret))).toBe(false);
    expect(wrapKey(secret, keyEncryptionKey, owner)).not.toEqual(wrapped);
  });

  it.each([
    ['under another key-encryption key', () => unwrapKey(wrapped, new Uint8Array(32).fill(3), owner)],
    ["in another tenant's row", () => unwrapKey(wrapped, keyEncryptionKey, { ...owner, tenantId: 'b' as TenantId })],
    ['in the row of another epoch', () => unwrapKey(wrapped, keyEncryptionKey, { ...owner, epoch: 2 })],
    ['with a changed byte', () => unwrapKey(wrapped.with(20, (wrapped[20] ?? 0) ^ 1), keyEncryptionKey, owner)],
    ['when it was cut short', () => unwrapKey(wrapped.subarray(0, 10), keyEncryptionKey, owner)],
  ])('does not open %s', (_, open) => {
    expect(open).toThrow(expect.objectContaining({ code: 'TEMPLATE_KEY.UNWRAP_FAILED' }));
  });
});
