import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { AppError, type Clock, type Logger } from '@sightline/kernel';
import {
  createReleaseRepository,
  openDemoKeys,
  readKey,
  ReleaseRepository,
  type RoleKey,
} from '@sightline/release-trust';

/** Where the signed repository lies. */
export function repositoryDirectory({ dataDirectory }: { readonly dataDirectory: string }): string {
  return join(dataDirectory, 'repository');
}

/** Where the keys of snapshot and timestamp lie; made by `keys init`. */
export function onlineKeysDirectory({ dataDirectory }: { readonly dataDirectory: string }): string {
  return join(dataDirectory, 'online-keys');
}

export interface SigningOptions {
  readonly dataDirectory: string;
  /** Holds the passphrase of the online keys. */
  readonly passphraseFile?: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Opens the signed repository: with the online keys of a ceremony where one was held, and otherwise with those of a
 * demonstration, which are made at the first start.
 *
 * @throws AppError `RELEASE.KEY_INVALID`, `RELEASE.AWAITS_SIGNATURES`
 */
export async function openRepository({ dataDirectory, passphraseFile, clock, log }: SigningOptions) {
  const options = { directory: repositoryDirectory({ dataDirectory }), clock };
  const passphrase = passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile);
  const online = await readOnlineKeys(onlineKeysDirectory({ dataDirectory }), passphrase);
  if (online.length === 0) {
    const keys = await openDemoKeys(join(dataDirectory, 'demo-keys'));
    await createReleaseRepository(options, keys);
    log.warn(
      { code: 'RELEASE.DEMO_KEYS' },
      'releases are signed with demonstration keys, all on this machine: whoever gets into it can sign what the ' +
        'fleet runs. For a fleet: sightline-model-registry keys init',
    );
    return new ReleaseRepository(options, keys);
  }
  const repository = new ReleaseRepository(options, { signers: online });
  await repository.assertOnlineKeys();
  return repository;
}

/** Every key in the folder; none when there is no folder. */
export async function readOnlineKeys(directory: string, passphrase: string | undefined): Promise<readonly RoleKey[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  const keys = await Promise.all(
    names.filter((name) => name.endsWith('.pem')).map((name) => readKey(join(directory, name), passphrase)),
  );
  return keys.filter((key) => key !== undefined);
}

/** @throws AppError `RELEASE.KEY_INVALID` when it is missing or empty */
export async function readPassphrase(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const passphrase = text.replace(/\r?\n$/, '');
  if (passphrase === '') {
    throw new AppError('RELEASE.KEY_INVALID', 'The passphrase file is missing or empty.', { details: { path } });
  }
  return passphrase;
}
