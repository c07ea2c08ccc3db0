import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { rest } from '@sightline/contracts';
import { isAppError, type KeyId, type Logger } from '@sightline/kernel';
import { createSealer } from '@sightline/template-protection';

import type { CacheConfig } from '../config/cache-config.js';
import type { DeviceClock } from '../device-clock.js';
import type { ActiveRelease } from '../pipeline/recogniser-slot.js';
import type { TrustedTime } from '../trusted-time.js';
import { CacheContent } from './cache-content.js';
import type { Belonging } from './cache-head.js';
import { openCacheKey } from './cache-key.js';
import { CacheStore } from './cache-store.js';
import { DeltaReceiver } from './delta-receiver.js';
import { LocalCache } from './local-cache.js';
import { LocalMatcher } from './local-matcher.js';

/** What the cache asks of a release. */
export interface CachedRelease extends Pick<ActiveRelease, 'calibration'> {
  readonly recogniser: Pick<ActiveRelease['recogniser'], 'spaceId' | 'dimension'>;
  readonly protector: Pick<ActiveRelease['protector'], 'keyId'>;
}

export interface ComposeCacheOptions {
  readonly config: CacheConfig;
  readonly dataDirectory: string;
  readonly provisioning: Pick<rest.Provisioning, 'tenantId' | 'deviceId' | 'gallery'>;
  /** The template key that the box protects with. */
  readonly keyId: () => KeyId;
  readonly running: () => CachedRelease | undefined;
  readonly trustedTime: Pick<TrustedTime, 'nowMs' | 'observe'>;
  readonly deviceClock: Pick<DeviceClock, 'deviceTime'>;
  readonly log: Logger;
}

/**
 * Opens the local cache. A box that cannot use its file or key goes on without one.
 *
 * @returns undefined where it is off, the box was given no key to check deltas with, or none to seal with can be had
 * @throws AppError `CONFIG.INVALID` when the signing key is none
 */
export async function composeCache(options: ComposeCacheOptions): Promise<LocalCache | undefined> {
  const { config, dataDirectory, provisioning, trustedTime, running, log } = options;
  const { gallery, tenantId, deviceId } = provisioning;
  if (!config.enabled || !gallery) return undefined;
  const { maximumTemplates, falseMatchRate, falsePositiveRate, keyFile = join(dataDirectory, 'cache.key') } = config;
  const secret = await openCacheKey(keyFile, log).catch((error: unknown) => {
    log.error({ code: isAppError(error) ? error.code : 'CACHE.KEY_UNAVAILABLE' }, 'there is no local cache');
  });
  if (!secret) return undefined;
  const sealer = createSealer(secret, `local-cache/${tenantId}/${deviceId}`);
  const path = join(dataDirectory, 'cache.db');
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const content = new CacheContent({ path, openStore: (file) => new CacheStore(file, sealer), log });
  const receiver = new DeltaReceiver({
    ...{ content, tenantId, deviceId, ...gallery, maximumTemplates, log },
    keyId: options.keyId,
    runningSpace: () => belongingOfRelease(running()),
    observeTime: (atLeastMs) => trustedTime.observe(atLeastMs),
    deviceClock: options.deviceClock,
  });
  const matcher = new LocalMatcher({
    ...{ content, falseMatchRate, falsePositiveRate, log },
    calibration: () => running()?.calibration,
    nowMs: () => trustedTime.nowMs(),
  });
  content.open();
  // Also where the mark was lost: it is at least as late as the newest lease was issued.
  trustedTime.observe(content.head.newestLeaseMs);
  return new LocalCache({ content, receiver, matcher, maximumTemplates, log });
}

function belongingOfRelease(release: CachedRelease | undefined): Belonging | undefined {
  if (!release) return undefined;
  const { recogniser, protector } = release;
  return { spaceId: recogniser.spaceId, keyId: protector.keyId, dimension: recogniser.dimension };
}
