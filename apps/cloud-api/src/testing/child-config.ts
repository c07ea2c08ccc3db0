import { silentLogger, systemClock } from '@sightline/kernel';

import type { CloudApiConfig } from '../config.js';
import { TENANT } from './test-cloud.js';

/** What the parent of a cloud API in a process of its own says of it. */
export interface ChildSurroundings extends Pick<
  CloudApiConfig,
  'databaseUrl' | 'redisUrl' | 'mqtt' | 'dataDirectory' | 'access' | 'webhooks'
> {
  readonly adminKey: string;
  readonly keyStoreDirectory?: string | undefined;
}

/** The configuration of a cloud API without a registry, in a process of its own. */
export function childConfig({ adminKey, keyStoreDirectory, ...given }: ChildSurroundings): CloudApiConfig {
  return {
    ...given,
    host: '127.0.0.1',
    port: 0,
    repositoryUrl: 'http://127.0.0.1:9/repository',
    trustedRoot: new Uint8Array([1]),
    tenantId: TENANT,
    bootstrapAdminKey: adminKey,
    keyStore: { directory: keyStoreDirectory },
    keyEncryptionKey: new Uint8Array(32).fill(7),
    falseMatchRate: 1e-3,
    inferenceWorkers: 1,
    log: silentLogger,
    clock: systemClock,
  };
}
