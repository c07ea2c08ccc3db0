import { create } from '@bufbuild/protobuf';
import { SealedTemplateKeySchema, type SealedTemplateKey } from '@sightline/contracts';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { sealTemplateKey, templateKeyId, type TemplateKey } from '@sightline/template-protection';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { TestLog } from '../testing/test-log.js';
import { BoxTemplateKey } from './box-template-key.js';

const tenantId = 'acme' as TenantId;
const deviceId = 'box-1' as DeviceId;
const keyOf = (epoch: number): TemplateKey => ({ tenantId, epoch, secret: new Uint8Array(32).fill(epoch) });
const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const sent = (key: TemplateKey, to = deviceId): SealedTemplateKey =>
  create(SealedTemplateKeySchema, sealTemplateKey(key, to, pair.publicKey));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sightline-key-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const path = (): string => join(directory, 'template-key.json');
const open = (
  log = new TestLog(),
  provisioned = keyOf(1),
  privateKey: typeof pair.privateKey | null = pair.privateKey,
) => new BoxTemplateKey({ provisioned, deviceId, path: path(), privateKey: async () => privateKey ?? undefined, log });

describe('the template key of a box', () => {
  it('is the provisioned one until the cloud sends a later one, which outlives a restart', async () => {
    const key = open();
    expect(key.keyId).toBe(templateKeyId(keyOf(1)));
    expect(await key.take(undefined)).toBe(false);
    expect(await key.take(sent(keyOf(2)))).toBe(true);
    expect(key.current).toEqual(keyOf(2));
    expect(open().keyId).toBe(templateKeyId(keyOf(2)));
    expect((await stat(path())).mode & 0o777).toBe(0o600);
  });

  it('never goes back: not to an older key, nor to the same again', async () => {
    const key = open();
    await key.take(sent(keyOf(3)));
    expect(await key.take(sent(keyOf(2)))).toBe(false);
    expect(await key.take(sent(keyOf(3)))).toBe(false);
    expect(key.current).toEqual(keyOf(3));
    // Provisioned anew with what came after.
    expect(open(new TestLog(), keyOf(4)).current).toEqual(keyOf(4));
  });

  it('stays as it is when one comes for another box, was changed, or cannot be opened or kept', async () => {
    const log = new TestLog();
    const key = open(log);
    expect(await key.take(sent(keyOf(2), 'box-2' as DeviceId))).toBe(false);
    expect(await key.take({ ...sent(keyOf(2)), sealed: new Uint8Array(60) })).toBe(false);
    expect(await open(log, keyOf(1), null).take(sent(keyOf(2)))).toBe(false);
    await rm(directory, { recursive: true });
    await writeFile(directory, '');
    expect(await key.take(sent(keyOf(2)))).toBe(false);
    expect(key.current).toEqual(keyOf(1));
    expect(JSON.stringify(log)).not.toContain(Buffer.from(keyOf(2).secret).toString('base64'));
  });

  it('is sent again when its file is damaged or of another tenant', async () => {
    await open().take(sent(keyOf(2)));
    const whole = await readFile(path(), 'utf8');
    for (const text of ['', '{', '{"epoch":2}', whole.replace('acme', 'other')]) {
      await writeFile(path(), text);
      const key = open();
      expect(key.current).toEqual(keyOf(1));
      expect(await key.take(sent(keyOf(2)))).toBe(true);
    }
  });
});
