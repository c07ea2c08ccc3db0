import type { DeviceAddress } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { errorMessage, StoppingError, type Clock, type Logger } from '@sightline/kernel';
import { certificatesFrom, connectMqtt, deviceUsername } from '@sightline/messaging';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, gt, isNotNull } from 'drizzle-orm';

import type { CloudApiConfig } from '../config.js';
import { CLOCK, CONFIG, DATABASE, LOGGER } from '../platform/tokens.js';
import { device } from '../storage/schema.js';

/** Bound of one takeover, ms. */
const TAKEOVER_MS = 5000;
/** A broker that judges by a list learns of a revocation with the next one: until then a box may have come back. */
const SWEEP_EVERY_MS = 60_000;
const SWEEP_FOR_MS = 15 * 60_000;

/** Cuts the connections of boxes that were revoked. Refusing the next one is the broker's part. */
@Injectable()
export class RevokedDevices {
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CONFIG) private readonly config: Pick<CloudApiConfig, 'mqtt' | 'disconnectDevice'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new StoppingError());
    await this.#running;
  }

  /** Ends a box's connection and its session, unless the broker cannot be reached: then the sweep tries again. */
  async expel(address: DeviceAddress): Promise<void> {
    const { disconnectDevice } = this.config;
    if (disconnectDevice) disconnectDevice(deviceUsername(address));
    else await this.#takeOver(deviceUsername(address));
  }

  /** Expels a box that has spoken although it was revoked. */
  async turnAway({ tenantId, deviceId }: DeviceAddress): Promise<void> {
    const [row] = await this.database.db
      .select({ revokedAt: device.revokedAt })
      .from(device)
      .where(and(eq(device.tenantId, tenantId), eq(device.id, deviceId)));
    if (row?.revokedAt != null) await this.expel({ tenantId, deviceId });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    // A broker at hand asks us about every connection: none comes back.
    const isDone = (): boolean => signal.aborted || this.config.disconnectDevice !== undefined;
    while (!isDone()) {
      await this.clock.sleep(SWEEP_EVERY_MS, signal).catch(() => undefined);
      if (isDone()) return;
      try {
        for (const address of await this.#recent()) await this.expel(address);
      } catch (error) {
        this.log.warn({ error: errorMessage(error) }, 'revoked boxes could not be looked for');
      }
    }
  }

  #recent(): Promise<DeviceAddress[]> {
    const since = new Date(this.clock.wallMs() - SWEEP_FOR_MS);
    return this.database.db
      .select({ tenantId: device.tenantId, deviceId: device.id })
      .from(device)
      .where(and(isNotNull(device.revokedAt), gt(device.revokedAt, since)));
  }

  /** A second session of one client id ends the first (MQTT 3.1.1, [MQTT-3.1.4-2]), and as a clean one leaves none. */
  async #takeOver(clientId: string): Promise<void> {
    const { url, username, password, tls } = this.config.mqtt;
    const connection = await connectMqtt({
      ...{ url, username, password, clientId, clean: true, clock: this.clock, closeTimeoutMs: 1000 },
      ...(tls && { tls: certificatesFrom(tls) }),
    });
    const bound = new AbortController();
    try {
      const connected = new Promise<void>((resolve) => {
        connection.on('connected', () => resolve());
        if (connection.connected) resolve();
      });
      await Promise.race([connected, this.clock.sleep(TAKEOVER_MS, bound.signal).catch(() => undefined)]);
      if (!connection.connected) this.log.warn({ clientId }, 'a revoked box could not be disconnected');
    } finally {
      bound.abort();
      await connection.close();
    }
  }
}
