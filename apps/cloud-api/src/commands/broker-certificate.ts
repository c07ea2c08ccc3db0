import { join, resolve } from 'node:path';

import { migrate, openDatabase } from '@sightline/database';
import { writeFileDurably } from '@sightline/host';

import type { CloudApiConfig } from '../config.js';
import { CertificateAuthority } from '../device-certificates/certificate-authority.js';

export interface BrokerCertificateOptions {
  /** Host names and IP addresses under which boxes reach the broker. */
  readonly name: readonly string[];
  readonly directory: string;
}

/**
 * Writes what a broker's listener for boxes needs: `server.pem` and `server.key`, made anew, and `ca.pem`, by which it
 * knows boxes and boxes know it.
 *
 * @throws AppError `DATABASE.UNAVAILABLE`, `CERTIFICATE_AUTHORITY.…`
 */
export async function writeBrokerCertificate(
  { name, directory }: BrokerCertificateOptions,
  config: CloudApiConfig,
): Promise<void> {
  const { databaseUrl, log, clock } = config;
  const database = await openDatabase({ url: databaseUrl, log });
  try {
    await migrate(database, { schema: 'cloud', folder: new URL('../../migrations', import.meta.url) });
    const authority = new CertificateAuthority(database, config, clock);
    const { certificate, privateKey, authority: ca } = await authority.brokerCertificate(name);
    const folder = resolve(directory);
    await writeFileDurably(join(folder, 'server.key'), privateKey, 0o600);
    await writeFileDurably(join(folder, 'server.pem'), certificate);
    await writeFileDurably(join(folder, 'ca.pem'), ca);
    log.info({ directory: folder, name }, 'wrote ca.pem, server.pem and server.key');
  } finally {
    await database.close();
  }
}
