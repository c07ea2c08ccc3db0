import {
  SCHEMA_VERSION,
  SightingAckSchema,
  type DeviceAddress,
  type DeviceHealth,
  type rest,
  type SightingBatch,
} from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { isUuid, type Clock, type StreamId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, desc, eq, inArray, lt } from 'drizzle-orm';

import { dateMoment, deviceMoment, measureBoot, type BootEpoch, type DeviceMoment } from '../../ingest/device-time.js';
import { CLOCK, DATABASE } from '../../platform/tokens.js';
import { device, deviceBoot } from '../../storage/schema.js';
import { DeviceLink } from '../device-link.js';
import { deviceHealth, deviceHealthWindow } from '../operations.schema.js';
import { printable } from '../printable.js';
import { decodeWindows } from './decode-windows.js';

/** Windows are remembered for a week. */
const REMEMBERED_MS = 7 * 86_400_000;
/** Cameras of a snapshot at most. */
const CAMERAS = 256;

/** How the boxes are, as they say themselves. */
@Injectable()
export class FleetHealth {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly link: DeviceLink,
  ) {}

  /** Keeps the newest snapshot. @returns whether the device is known */
  async snapshot(address: DeviceAddress, health: DeviceHealth): Promise<boolean> {
    if (!(await this.#isKnown(address))) return false;
    const receivedAt = new Date(this.clock.wallMs());
    const snapshot = snapshotOf(health);
    await this.database.db
      .insert(deviceHealth)
      .values({ ...address, receivedAt, snapshot })
      .onConflictDoUpdate({ target: [deviceHealth.tenantId, deviceHealth.deviceId], set: { receivedAt, snapshot } });
    return true;
  }

  /**
   * Stores the windows of a batch, each once, and acknowledges the batch after the commit. A box sends one batch at
   * a time, from the one after the last acknowledged, so that everything before it is here.
   *
   * @returns whether the device is known
   */
  async windows(address: DeviceAddress, batch: SightingBatch): Promise<boolean> {
    const sentAt = deviceMoment(batch.sentAt);
    const last = batch.records.at(-1)?.sequence;
    if (!isUuid(batch.streamId) || sentAt === undefined || last === undefined) return true;
    if (!(await this.#isKnown(address))) return false;
    const receivedAtMs = this.clock.wallMs();
    const streamId = batch.streamId as StreamId;
    const decoded = decodeWindows(batch);
    const moments = [sentAt, ...decoded.flatMap(({ startedAt, endedAt }) => [startedAt, endedAt])];
    const transit = { receivedAtMs, sentAt };
    const epochOf = await this.#epochs(address, moments, transit);
    const rows = decoded.map(({ startedAt, endedAt, ...window }) => ({
      ...{ ...address, streamId, ...window, receivedAt: new Date(receivedAtMs) },
      startedAt: new Date(dateMoment(startedAt, transit, epochOf).ms),
      endedAt: new Date(dateMoment(endedAt, transit, epochOf).ms),
    }));
    if (rows.length > 0) await this.database.db.insert(deviceHealthWindow).values(rows).onConflictDoNothing();
    await this.#forgetOld(address, receivedAtMs);
    await this.link.send(address, 'health/window/ack', SightingAckSchema, {
      ...{ schemaVersion: SCHEMA_VERSION, correlationId: batch.correlationId.slice(0, 100), streamId, window: 1 },
      committedThrough: last,
      cloudTimeMs: BigInt(Math.floor(receivedAtMs)),
    });
    return true;
  }

  /** Newest first. */
  async list({ tenantId, deviceId }: DeviceAddress, limit: number): Promise<rest.HealthWindowList> {
    const rows = await this.database.db
      .select()
      .from(deviceHealthWindow)
      .where(and(eq(deviceHealthWindow.tenantId, tenantId), eq(deviceHealthWindow.deviceId, deviceId)))
      .orderBy(desc(deviceHealthWindow.endedAt), desc(deviceHealthWindow.sequence))
      .limit(limit);
    const items = rows.map(({ startedAt, endedAt, releaseDigest, trialArm, counters }) => ({
      ...{ releaseDigest, trialArm, ...counters },
      startedAt: startedAt.toISOString(),
      endedAt: endedAt.toISOString(),
    }));
    return { items };
  }

  /** The last snapshot; null before the first. */
  async last({ tenantId, deviceId }: DeviceAddress): Promise<rest.DeviceHealth | null> {
    const [row] = await this.database.db
      .select()
      .from(deviceHealth)
      .where(and(eq(deviceHealth.tenantId, tenantId), eq(deviceHealth.deviceId, deviceId)));
    return row === undefined ? null : { at: row.receivedAt.toISOString(), ...row.snapshot };
  }

  async #isKnown({ tenantId, deviceId }: DeviceAddress): Promise<boolean> {
    const rows = await this.database.db
      .select({ id: device.id })
      .from(device)
      .where(and(eq(device.tenantId, tenantId), eq(device.id, deviceId)));
    return rows.length > 0;
  }

  async #epochs(
    { tenantId, deviceId }: DeviceAddress,
    moments: readonly DeviceMoment[],
    transit: { readonly receivedAtMs: number; readonly sentAt: DeviceMoment },
  ): Promise<(bootId: string) => BootEpoch | undefined> {
    const bootIds = [...new Set(moments.map(({ bootId }) => bootId))];
    const rows = await this.database.db
      .select()
      .from(deviceBoot)
      .where(
        and(eq(deviceBoot.tenantId, tenantId), eq(deviceBoot.deviceId, deviceId), inArray(deviceBoot.bootId, bootIds)),
      );
    const epochs = new Map<string, BootEpoch>(
      rows.map(({ bootId, epochMs, measuredAt }) => [bootId, { epochMs, measuredAtMs: measuredAt.getTime() }]),
    );
    const { bootId } = transit.sentAt;
    epochs.set(bootId, measureBoot(epochs.get(bootId), transit));
    return (id) => epochs.get(id);
  }

  async #forgetOld({ tenantId, deviceId }: DeviceAddress, nowMs: number): Promise<void> {
    await this.database.db
      .delete(deviceHealthWindow)
      .where(
        and(
          eq(deviceHealthWindow.tenantId, tenantId),
          eq(deviceHealthWindow.deviceId, deviceId),
          lt(deviceHealthWindow.endedAt, new Date(nowMs - REMEMBERED_MS)),
        ),
      );
  }
}

function snapshotOf(health: DeviceHealth): Omit<rest.DeviceHealth, 'at'> {
  return {
    uptimeMs: Number(health.uptimeMs),
    residentBytes: Number(health.residentBytes),
    outboxBacklog: Number(health.outboxBacklog),
    outboxBytes: Number(health.outboxBytes),
    outboxProblem: printable(health.outboxProblem) || null,
    recordsDropped: Number(health.recordsDropped),
    cameras: health.cameras.slice(0, CAMERAS).map((camera) => ({
      cameraId: printable(camera.cameraId),
      state: printable(camera.state),
      frames: Number(camera.frames),
      droppedFrames: Number(camera.droppedFrames),
      failedFrames: Number(camera.failedFrames),
      problem: printable(camera.problem) || null,
    })),
  };
}
