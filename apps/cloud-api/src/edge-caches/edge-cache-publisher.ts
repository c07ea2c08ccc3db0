import { create, toBinary } from '@bufbuild/protobuf';
import { GalleryDeltaBodySchema, GalleryDeltaSchema, SCHEMA_VERSION, type DeviceAddress } from '@sightline/contracts';
import { inTransaction, type Database } from '@sightline/database';
import { backoffMs, errorMessage, type Clock, type Logger } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { sql } from 'drizzle-orm';

import type { CloudApiConfig } from '../config.js';
import { DeviceLink } from '../devices/device-link.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CLOCK, CONFIG, DATABASE, LOGGER } from '../platform/tokens.js';
import { TemplateKeys } from '../template-keys/template-keys.js';
import { Notifications } from '../storage/notifications.js';
import { followGallery } from './cache-feed.js';
import { PLAN_EVERY_MS, renewAfterMs, takeStep, WINDOW, type CacheStep, type PlannedDelta } from './cache-step.js';
import { GallerySigningKeys } from './gallery-signing-keys.js';

/**
 * How often the feed and the clock are looked at, ms. So changes of the gallery gather for a moment; what is urgent (an
 * erasure, a birth, a receipt) is notified.
 */
const POLL_MS = 1000;
/** Boxes that are served at once: of a thousand that come back together each gets its turn. */
const AT_ONCE = 8;
/** Boxes that one look finds at most. */
const PAGE = 200;
const DEFAULT_LEASE_MS = 7 * 86_400_000;

/** Sends boxes the people whom their sites need, and takes back whom they should not know any more. */
@Injectable()
export class EdgeCachePublisher {
  readonly #stopping = new AbortController();
  readonly #leaseMs: number;
  #running: Promise<void> | undefined;
  #kicked = true;
  #wake: (() => void) | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CONFIG) config: Pick<CloudApiConfig, 'edgeCacheLeaseMs'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly link: DeviceLink,
    private readonly keys: GallerySigningKeys,
    private readonly personalData: PersonalData,
    private readonly templateKeys: TemplateKeys,
    notifications: Notifications,
  ) {
    this.#leaseMs = config.edgeCacheLeaseMs ?? DEFAULT_LEASE_MS;
    notifications.on('cloud_edge_cache', { notified: () => this.#kick(), reconnected: () => this.#kick() });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the publisher of edge caches stops'));
    this.#kick();
    await this.#running;
  }

  /** Plans what has changed, and sends what is due, once. */
  async pass(): Promise<void> {
    while (await followGallery(this.database, this.#now())) this.#stopping.signal.throwIfAborted();
    await this.#serve();
  }

  #kick(): void {
    this.#kicked = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const isStopping = (): boolean => signal.aborted;
    let failures = 0;
    let followAtMs = 0;
    while (!isStopping()) {
      try {
        this.#kicked = false;
        if (this.clock.monotonicMs() >= followAtMs) {
          followAtMs = this.clock.monotonicMs() + POLL_MS;
          await this.pass();
        } else await this.#serve();
        failures = 0;
        await this.#nextLook();
      } catch (error) {
        if (isStopping()) return;
        this.log.warn({ error: errorMessage(error) }, 'edge caches could not be published');
        await this.clock.sleep(backoffMs(failures, { baseMs: 500, capMs: 30_000 }), signal).catch(() => undefined);
        failures += 1;
      }
    }
  }

  async #nextLook(): Promise<void> {
    if (this.#kicked) return;
    const poll = new AbortController();
    const kicked = new Promise<void>((resolve) => (this.#wake = resolve));
    await Promise.race([kicked, this.clock.sleep(POLL_MS, poll.signal).catch(() => undefined)]);
    poll.abort();
  }

  async #serve(): Promise<void> {
    const due = await this.#due();
    const next = due.values();
    const serve = async (): Promise<void> => {
      for (const address of next) {
        if (this.#stopping.signal.aborted) return;
        await this.#step(address);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, serve));
    // The rest is found by the next look.
    if (due.length === PAGE) this.#kick();
  }

  /** A box whose step fails keeps no other from being served. */
  async #step(address: DeviceAddress): Promise<void> {
    const { personalData, templateKeys } = this;
    const options = { now: this.#now(), leaseMs: this.#leaseMs, random: Math.random, personalData, templateKeys };
    try {
      const step = await inTransaction(this.database, (tx) => takeStep(tx, address, options));
      // Lost on the way, a step is repeated when its time for a receipt is over.
      if (step !== undefined) for (const delta of step.deltas) await this.#publish(step, delta);
    } catch (error) {
      this.log.warn({ ...address, error: errorMessage(error) }, 'a delta of a local cache was not sent');
    }
  }

  async #publish({ address, cacheId, correlationId, lease }: CacheStep, delta: PlannedDelta): Promise<void> {
    const body = toBinary(
      GalleryDeltaBodySchema,
      create(GalleryDeltaBodySchema, {
        ...{ ...address, cacheId, tombstones: [...delta.tombstones], people: [...delta.people] },
        fromVersion: BigInt(delta.fromVersion),
        toVersion: BigInt(delta.toVersion),
        lease: { issuedAtMs: BigInt(lease.issuedAt.getTime()), expiresAtMs: BigInt(lease.expiresAt.getTime()) },
      }),
    );
    const signed = await this.keys.sign(body);
    await this.link.send(address, 'gallery', GalleryDeltaSchema, {
      ...{ schemaVersion: SCHEMA_VERSION, correlationId, body },
      ...signed,
    });
  }

  /** Boxes that are there and have something due: see `takeStep`. */
  async #due(): Promise<readonly DeviceAddress[]> {
    const now = this.#now();
    const before = (ms: number): Date => new Date(now.getTime() - ms);
    const { rows } = await this.database.db.execute<DeviceAddress & Record<string, unknown>>(sql`
      SELECT cache.tenant_id AS "tenantId", cache.device_id AS "deviceId"
      FROM cloud.edge_cache cache
      JOIN cloud.device device ON device.tenant_id = cache.tenant_id AND device.id = cache.device_id
      WHERE device.online AND cache.maximum_templates > 0
        AND (cache.sent_version > 0 OR cache.resend_at IS NULL OR cache.resend_at <= ${now}) AND (
        cache.planned_at IS NULL OR cache.planned_at <= ${before(PLAN_EVERY_MS)}
        OR CASE
          WHEN cache.sent_version > cache.confirmed_version THEN cache.resend_at <= ${now}
          WHEN cache.sent_version = 0 THEN true
          ELSE cache.lease_due OR cache.lease_issued_at <= ${before(renewAfterMs(this.#leaseMs))}
        END
        OR EXISTS (
          SELECT FROM cloud.edge_cache_erasure erasure
          WHERE erasure.tenant_id = cache.tenant_id AND erasure.device_id = cache.device_id
            AND erasure.confirmed_at IS NULL AND erasure.version IS NULL)
        OR cache.sent_version - cache.confirmed_version < ${WINDOW} AND EXISTS (
          SELECT FROM cloud.edge_cache_person person
          WHERE person.tenant_id = cache.tenant_id AND person.device_id = cache.device_id AND person.version IS NULL))
      ORDER BY cache.planned_at IS NULL, cache.sent_at NULLS FIRST LIMIT ${PAGE}`);
    return rows;
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}
