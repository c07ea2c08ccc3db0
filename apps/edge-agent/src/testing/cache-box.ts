import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { LocalDecision } from '@sightline/contracts';

import { composeCache, type CachedRelease } from '../cache/compose-cache.js';
import type { LocalCache } from '../cache/local-cache.js';
import { cacheSchema, type CacheConfig } from '../config/cache-config.js';
import { DeviceClock } from '../device-clock.js';
import { TrustedTime } from '../trusted-time.js';
import { belonging, DeltaSigner, faceTemplate } from './cache-fixtures.js';
import { TestLog } from './test-log.js';
import { VirtualClock } from './virtual-clock.js';

export const THRESHOLD = 0.5;
/** Where Linux has it: nothing waits for a disk there. */
const MEMORY_DISK = '/dev/shm';

/** A box that is nothing but its local cache, on virtual time. What is on its disk survives {@link restart}. */
export class CacheBox {
  readonly directory = mkdtempSync(join(existsSync(MEMORY_DISK) ? MEMORY_DISK : tmpdir(), 'sightline-cache-'));
  readonly signer = new DeltaSigner();
  readonly clock = new VirtualClock();
  log = new TestLog();
  isSynchronised = false;
  /** Undefined while no release runs. */
  release: CachedRelease | undefined = {
    recogniser: belonging,
    protector: belonging,
    calibration: [
      { falseMatchRate: 1e-5, threshold: 0.7 },
      { falseMatchRate: 1e-4, threshold: THRESHOLD },
    ],
  };
  #cache: LocalCache | undefined;
  #time: TrustedTime | undefined;

  static async open(config: Partial<CacheConfig> = {}): Promise<CacheBox> {
    const box = new CacheBox();
    await box.restart(config);
    return box;
  }

  get cache(): LocalCache {
    if (!this.#cache) throw new Error('the box has no cache');
    return this.#cache;
  }

  /** By the box's clock, whatever that says. */
  get nowMs(): number {
    return this.clock.wallMs();
  }

  /** Ends, without a word as a power cut does, and starts again. */
  async restart(config: Partial<CacheConfig> = {}): Promise<void> {
    this.#cache?.close();
    const { clock, log, directory } = this;
    this.#time = new TrustedTime({
      ...{ clock, log, path: join(directory, 'trusted-time.json') },
      isSynchronised: () => this.isSynchronised,
    });
    this.#cache = await composeCache({
      config: { ...cacheSchema.parse({}), ...config },
      dataDirectory: directory,
      provisioning: { tenantId: 'acme', deviceId: 'door-1', gallery: this.signer.gallery },
      keyId: () => belonging.keyId,
      running: () => this.release,
      trustedTime: this.#time,
      deviceClock: new DeviceClock(clock, () => this.isSynchronised),
      log,
    });
  }

  /** What the box decides about the person of a number. */
  see(number: number, revision = 1, sightingId = 'sighting'): LocalDecision | undefined {
    return this.cache.decide({ sightingId, revision, templates: [faceTemplate(number, 40), faceTemplate(number, 41)] });
  }

  /** All that is in the cache's files, the log too. */
  bytes(): Buffer {
    const files = ['cache.db', 'cache.db-wal', 'cache.db-shm', 'cache.db-journal'].map((name) =>
      join(this.directory, name),
    );
    return Buffer.concat(files.filter((file) => existsSync(file)).map((file) => readFileSync(file)));
  }

  close(): void {
    this.#cache?.close();
    chmodSync(this.directory, 0o700);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
