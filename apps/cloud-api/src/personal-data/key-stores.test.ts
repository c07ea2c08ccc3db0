import { randomBytes, randomUUID } from 'node:crypto';
import { appendFile, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startTestDatabase } from '@sightline/database/testing';
import { silentLogger, StopStack, systemClock, type TenantId } from '@sightline/kernel';
import { sealWithKey } from '@sightline/template-protection';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { CloudApiConfig } from '../config.js';
import { openKeyStore } from './open-key-store.js';
import type { NamedKey, PersonKeyStore } from './person-key-store.js';

const keyEncryptionKey = new Uint8Array(32).fill(9);
const stack = new StopStack();
let directory: string;
let url: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sightline-keys-'));
  stack.push(() => rm(directory, { recursive: true, force: true }));
  const database = await startTestDatabase();
  stack.push(() => database.close());
  ({ url } = database);
});
afterAll(() => stack.stop());

const newKeys = (count: number): NamedKey[] =>
  Array.from({ length: count }, () => ({
    name: randomBytes(32).toString('hex'),
    wrapped: sealWithKey(keyEncryptionKey, randomBytes(32), 'test'),
  }));
const namesOf = (keys: readonly NamedKey[]) => keys.map(({ name }) => name);
const config = (keyStore: CloudApiConfig['keyStore'], kek = keyEncryptionKey): CloudApiConfig => ({
  ...{ host: '', port: 0, databaseUrl: '', mqtt: { url: '', username: '', password: '' }, repositoryUrl: '' },
  ...{ trustedRoot: new Uint8Array(), dataDirectory: directory, tenantId: 't' as TenantId, keyEncryptionKey: kek },
  ...{ falseMatchRate: 1e-3, inferenceWorkers: 1, log: silentLogger, clock: systemClock, keyStore },
});

const kinds = [
  ['a folder', () => ({ directory: join(directory, 'keys') })],
  ['a PostgreSQL of its own', () => ({ url })],
] as const;

describe.each(kinds)('a store of keys in %s', (_, where) => {
  let store: PersonKeyStore;
  let other: PersonKeyStore;

  beforeAll(async () => {
    store = await openKeyStore(config(where()));
    other = await openKeyStore(config(where()));
  });
  afterAll(async () => {
    await store.close();
    await other.close();
  });

  it('is one store to every process, with one header', () => {
    expect(other.header).toEqual(store.header);
    expect(store.header.salt).toHaveLength(32);
  });

  it('gives back what was added, to another process too', async () => {
    const keys = newKeys(5);
    await store.add(keys);
    const more = newKeys(3);
    await other.add(more);
    for (const reader of [store, other]) {
      const found = await reader.get(namesOf([...keys, ...more]));
      expect([...keys, ...more].map(({ name }) => found.get(name))).toEqual(
        [...keys, ...more].map((key) => key.wrapped),
      );
    }
    expect((await store.get([randomUUID().replaceAll('-', '').repeat(2)])).size).toBe(0);
  });

  it('destroys for good, in every process, and remembers that there was a key', async () => {
    const keys = newKeys(3);
    await store.add(keys);
    const [first] = keys;
    const name = first?.name ?? '';
    await other.get(namesOf(keys));
    await other.destroy([name]);
    await other.destroy([name]);
    store.forget([name]);
    for (const reader of [store, other]) {
      const found = await reader.get(namesOf(keys));
      expect(found.get(name)).toBe('destroyed');
      expect([...found.values()].filter((value) => value !== 'destroyed')).toHaveLength(2);
    }
    const unknown = newKeys(1)[0]?.name ?? '';
    await store.destroy([unknown]);
    expect((await store.get([unknown])).get(unknown)).toBe('destroyed');
  });

  it('keeps all of that over a restart', async () => {
    const keys = newKeys(2);
    await store.add(keys);
    const [gone, kept] = keys;
    await store.destroy([gone?.name ?? '']);
    await store.close();
    store = await openKeyStore(config(where()));
    const found = await store.get(namesOf(keys));
    expect(found.get(gone?.name ?? '')).toBe('destroyed');
    expect(found.get(kept?.name ?? '')).toEqual(kept?.wrapped);
  });

  it('is refused under another key-encryption key', async () => {
    const opening = openKeyStore(config(where(), new Uint8Array(32).fill(1)));
    await expect(opening).rejects.toMatchObject({ code: 'KEY_STORE.WRONG_KEY' });
  });
});

describe('a folder of keys', () => {
  const folder = async (name: string): Promise<Buffer> => {
    const path = join(directory, name);
    const files = (await readdir(path)).filter((file) => file.endsWith('.keys'));
    return Buffer.concat(await Promise.all(files.map((file) => readFile(join(path, file)))));
  };

  it('holds no byte of a destroyed key', async () => {
    const store = await openKeyStore(config({ directory: join(directory, 'bytes') }));
    const [key] = newKeys(1);
    if (key === undefined) throw new Error('no key');
    await store.add([key]);
    expect((await folder('bytes')).includes(Buffer.from(key.wrapped))).toBe(true);
    await store.destroy([key.name]);
    const bytes = await folder('bytes');
    expect(bytes.includes(Buffer.from(key.wrapped))).toBe(false);
    expect(bytes.includes(Buffer.from(key.wrapped.subarray(12, 28)))).toBe(false);
    await store.close();
  });

  it('survives a write that a crash tore, and goes on behind it', async () => {
    const path = join(directory, 'torn');
    const keys = newKeys(3);
    let store = await openKeyStore(config({ directory: path }));
    await store.add(keys);
    await store.close();
    const [segment = ''] = (await readdir(path)).filter((file) => file.endsWith('.keys'));
    await truncate(join(path, segment), 2 * 128 + 50);
    await appendFile(join(path, segment), Buffer.alloc(20, 1));
    store = await openKeyStore(config({ directory: path }));
    const more = newKeys(2);
    await store.add(more);
    await store.close();
    store = await openKeyStore(config({ directory: path }));
    const found = await store.get(namesOf([...keys, ...more]));
    expect([...found.keys()].sort()).toEqual(namesOf([...keys.slice(0, 2), ...more]).sort());
    await store.close();
  });

  it('opens many keys at once', async () => {
    const path = { directory: join(directory, 'many') };
    const store = await openKeyStore(config(path));
    const wrapped = sealWithKey(keyEncryptionKey, randomBytes(32), 'test');
    const names = Array.from({ length: 20_000 }, (_, index) => index.toString(16).padStart(64, '0'));
    await store.add(names.map((name) => ({ name, wrapped })));
    await store.close();
    const startedMs = performance.now();
    const again = await openKeyStore(config(path));
    expect((await again.get(names)).size).toBe(20_000);
    expect(performance.now() - startedMs).toBeLessThan(3000);
    await again.close();
  });
});
