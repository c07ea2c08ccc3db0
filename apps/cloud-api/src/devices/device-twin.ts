import {
  FieldStatus,
  type DeviceAddress,
  type DeviceBirth,
  type DeviceStatus,
  type ReportedState,
  type rest,
  type RunningRelease,
} from '@sightline/contracts';
import type { Database } from '@sightline/database';
import type { Clock, KeyId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, isNull, or, sql } from 'drizzle-orm';
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core';

import { CLOCK, DATABASE } from '../platform/tokens.js';
import { device, type FieldState } from '../storage/schema.js';
import { printable } from './printable.js';

const fieldStates: Readonly<Record<FieldStatus, FieldState | null>> = {
  [FieldStatus.UNSPECIFIED]: null,
  [FieldStatus.PENDING]: 'pending',
  [FieldStatus.APPLIED]: 'applied',
  [FieldStatus.FAILED]: 'failed',
};

/**
 * What the boxes say of themselves. Each method tells whether the device is known, as far as it has to look: one that was
 * revoked is not.
 */
@Injectable()
export class DeviceTwin {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async born(address: DeviceAddress, birth: DeviceBirth): Promise<boolean> {
    return this.#update(address, {
      ...alive(birth.sessionId),
      lastSeenAt: this.#now(),
      agentVersion: birth.agentVersion,
      templateKeyId: (birth.keyId || null) as KeyId | null,
      provider: birth.provider || null,
      ...runningRelease(birth.running),
    });
  }

  /**
   * Takes a status, or a will. The death of a session that is not the last born is old news.
   *
   * @param retained the broker kept it: the box may have said it long ago
   */
  async status(address: DeviceAddress, status: DeviceStatus, retained: boolean): Promise<boolean> {
    if (status.online) {
      return this.#update(address, { ...this.#seen(retained), ...alive(status.sessionId) });
    }
    const current = or(eq(device.sessionId, status.sessionId), isNull(device.sessionId));
    await this.database.db
      .update(device)
      .set({ online: false })
      .where(and(this.#row(address), current));
    return true;
  }

  /** @param retained as of `status` */
  async reported(address: DeviceAddress, state: ReportedState, retained: boolean): Promise<boolean> {
    return this.#update(address, {
      ...this.#seen(retained),
      provider: state.provider || null,
      releaseVersionSeen: Number(state.releaseVersionSeen),
      releaseStatus: fieldStates[state.releaseStatus],
      releaseError: state.releaseError || null,
      configVersionSeen: Number(state.configVersionSeen),
      configStatus: fieldStates[state.configStatus],
      configError: state.configError || null,
      configErrors: settingErrors(state),
      ...runningRelease(state.running),
    });
  }

  async #update(address: DeviceAddress, values: PgUpdateSetSource<typeof device>): Promise<boolean> {
    const updated = await this.database.db
      .update(device)
      .set(values)
      .where(this.#row(address))
      .returning({ id: device.id });
    return updated.length > 0;
  }

  #row({ tenantId, deviceId }: DeviceAddress) {
    return and(eq(device.tenantId, tenantId), eq(device.id, deviceId), isNull(device.revokedAt));
  }

  #seen(retained: boolean): { readonly lastSeenAt?: Date } {
    return retained ? {} : { lastSeenAt: this.#now() };
  }

  #now(): Date {
    return new Date(this.clock.wallMs());
  }
}

/**
 * Online in this session, unless its death is known: handlers run beside one another, so a birth may be stored after
 * the will that followed it, and no session lives twice.
 */
function alive(sessionId: string) {
  return { sessionId, online: sql<boolean>`${device.sessionId} is distinct from ${sessionId} or ${device.online}` };
}

function runningRelease(running: RunningRelease | undefined) {
  return {
    releaseVersion: running?.version ?? null,
    releaseDigest: running?.digest ?? null,
    modelSpace: running?.modelSpace ?? null,
  };
}

/** What boxes may say, bounded: fields have names of letters and dots, messages are a zod issue's. */
const LONGEST_MESSAGE = 200;
const MOST_ERRORS = 50;

function settingErrors({ configErrors }: ReportedState): readonly rest.SettingError[] {
  return configErrors.slice(0, MOST_ERRORS).map(({ path, message }) => ({
    path: printable(path),
    message: message.replaceAll(/[^\x20-\x7e]/g, '').slice(0, LONGEST_MESSAGE),
  }));
}
