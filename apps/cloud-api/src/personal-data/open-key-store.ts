import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { AppError } from '@sightline/kernel';
import { openWithKey, sealWithKey } from '@sightline/template-protection';

import type { CloudApiConfig } from '../config.js';
import { openDirectoryKeyStore } from './directory-key-store.js';
import type { KeyStoreHeader, PersonKeyStore } from './person-key-store.js';
import { openPostgresKeyStore } from './postgres-key-store.js';

const checkContext = (id: string): string => `sightline/person-key-store/${id}`;

/**
 * Opens the store of personal keys that the configuration names, or makes it: a PostgreSQL of its own, otherwise a
 * folder.
 *
 * @throws AppError `KEY_STORE.WRONG_KEY` under another key-encryption key, `KEY_STORE.UNAVAILABLE`, `DATABASE.*`
 */
export async function openKeyStore({
  keyStore,
  dataDirectory,
  keyEncryptionKey,
  log,
}: CloudApiConfig): Promise<PersonKeyStore> {
  const newHeader = (): KeyStoreHeader => {
    const id = randomUUID();
    const check = sealWithKey(keyEncryptionKey, new Uint8Array(0), checkContext(id));
    return { id, salt: new Uint8Array(randomBytes(32)), check };
  };
  const store =
    keyStore?.url === undefined
      ? await openDirectoryKeyStore(keyStore?.directory ?? join(dataDirectory, 'person-keys'), newHeader)
      : await openPostgresKeyStore({ url: keyStore.url, log }, newHeader);
  try {
    openWithKey(keyEncryptionKey, store.header.check, checkContext(store.header.id));
  } catch (cause) {
    await store.close();
    throw new AppError(
      'KEY_STORE.WRONG_KEY',
      'The store of personal keys was made with another key-encryption key, or was changed.',
      { cause },
    );
  }
  return store;
}
