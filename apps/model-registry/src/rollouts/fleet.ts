import type { DeviceAddress, DeviceBirth, DeviceTime, ReleaseState, RunningRelease } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { isSha256, type Clock } from '@sightline/kernel';
import { and, eq, isNull, lte, ne, or, type Column, type SQL } from 'drizzle-orm';

import { deviceClassOf } from '../benchmarks/device-benchmarks.js';
import { fleetDevice } from './rollout-tables.js';

/** A device says of itself what it likes: no longer than this. */
const TEXT_LIMIT = 100;

/** What devices say of themselves, in the registry's own schema. */
export class Fleet {
  readonly #db: Database['db'];
  readonly #clock: Pick<Clock, 'wallMs'>;

  constructor(database: Pick<Database, 'db'>, clock: Pick<Clock, 'wallMs'>) {
    this.#db = database.db;
    this.#clock = clock;
  }

  /**
   * Takes a birth: the device is in the fleet from now on. Idempotent.
   *
   * @throws AppError `DATABASE.UNAVAILABLE` (retryable)
   */
  async born(device: DeviceAddress, birth: DeviceBirth): Promise<void> {
    const deviceClass = deviceClassOf(birth);
    await this.#db
      .insert(fleetDevice)
      .values({ ...addressOf(device), deviceClass, firstSeenAt: new Date(this.#clock.wallMs()) })
      .onConflictDoUpdate({ target: [fleetDevice.tenantId, fleetDevice.deviceId], set: { deviceClass } });
    await this.runs(device, birth.running, birth.at);
  }

  /**
   * Takes what a device runs, unless it said something newer in the same boot. A device that was never born here is none
   * of the fleet yet.
   *
   * @throws AppError `DATABASE.UNAVAILABLE` (retryable)
   */
  async runs(device: DeviceAddress, running: RunningRelease | undefined, at: DeviceTime | undefined): Promise<void> {
    const digest = running && isSha256(running.digest) ? running.digest : null;
    await this.#db
      .update(fleetDevice)
      .set({
        runningVersion: digest === null ? null : textOf(running?.version ?? ''),
        runningDigest: digest,
        ...{ runningBootId: textOf(at?.bootId ?? ''), runningBootMs: numberOf(at?.monotonicMs ?? 0n) },
      })
      .where(and(isDevice(device), isNewer(fleetDevice.runningBootId, fleetDevice.runningBootMs, at)));
  }

  /**
   * Takes a step of an update, unless the device said something newer in the same boot.
   *
   * @throws AppError `DATABASE.UNAVAILABLE` (retryable)
   */
  async stepped(device: DeviceAddress, state: ReleaseState): Promise<void> {
    const { documentVersion, releaseDigest, step, error, attempt, receivedBytes, totalBytes, at } = state;
    if (!isSha256(releaseDigest)) return;
    await this.#db
      .update(fleetDevice)
      .set({
        ...{ step, stepDigest: releaseDigest, stepError: textOf(error), stepAttempt: Math.min(attempt, 0x7fffffff) },
        ...{ stepDocumentVersion: numberOf(documentVersion), stepAt: new Date(this.#clock.wallMs()) },
        ...{ stepReceivedBytes: numberOf(receivedBytes), stepTotalBytes: numberOf(totalBytes) },
        ...{ stepBootId: textOf(at?.bootId ?? ''), stepBootMs: numberOf(at?.monotonicMs ?? 0n) },
      })
      .where(and(isDevice(device), isNewer(fleetDevice.stepBootId, fleetDevice.stepBootMs, at)));
  }

  /** Its box was deleted: what the broker kept of it is cleared. Its documents stay, so that versions never go back. */
  async gone(device: DeviceAddress): Promise<void> {
    await this.#db.delete(fleetDevice).where(isDevice(device));
  }
}

const addressOf = ({ tenantId, deviceId }: DeviceAddress): DeviceAddress => ({ tenantId, deviceId });

function isDevice({ tenantId, deviceId }: DeviceAddress): SQL | undefined {
  return and(eq(fleetDevice.tenantId, tenantId), eq(fleetDevice.deviceId, deviceId));
}

/** Messages of one boot are in the order of its monotonic time; those of two, in that of their arrival. */
function isNewer(bootId: Column, bootMs: Column, at: DeviceTime | undefined): SQL | undefined {
  return or(isNull(bootId), ne(bootId, textOf(at?.bootId ?? '')), lte(bootMs, numberOf(at?.monotonicMs ?? 0n)));
}

/** PostgreSQL's texts have no NUL. */
function textOf(text: string): string {
  return text.replaceAll('\0', '').slice(0, TEXT_LIMIT);
}

/** A box may say any number of 64 bits. */
function numberOf(value: bigint): number {
  return Number(value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : value);
}
