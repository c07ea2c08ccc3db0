import { randomUUID } from 'node:crypto';

import {
  CommandSchema,
  CommandState,
  SCHEMA_VERSION,
  type CommandAck,
  type DeviceAddress,
  type DeviceBirth,
  type rest,
} from '@sightline/contracts';
import { inTransaction, type Database } from '@sightline/database';
import { AppError, errorMessage, isUuid, type Clock, type Logger } from '@sightline/kernel';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Inject, Injectable } from '@nestjs/common';
import { and, asc, eq, gt, inArray, isNull, lte, notInArray } from 'drizzle-orm';

import { Audit } from '../../audit/audit.js';
import { CLOCK, DATABASE, LOGGER } from '../../platform/tokens.js';
import { device } from '../../storage/schema.js';
import { DeviceBirths } from '../device-births.js';
import { DeviceLink } from '../device-link.js';
import { deviceCommand } from '../operations.schema.js';
import { outcomeOf } from './acknowledgement.js';

type CommandRow = typeof deviceCommand.$inferSelect;
type State = rest.Command['state'];

const states: Readonly<Record<CommandState, State | undefined>> = {
  [CommandState.UNSPECIFIED]: undefined,
  [CommandState.ACCEPTED]: 'accepted',
  [CommandState.PROGRESS]: 'progress',
  [CommandState.SUCCEEDED]: 'succeeded',
  [CommandState.FAILED]: 'failed',
  [CommandState.REJECTED]: 'rejected',
  [CommandState.EXPIRED]: 'expired',
};

/** What a box says last of a command. The cloud's own `expired` is a guess, which the box may correct. */
const ENDED: readonly State[] = ['succeeded', 'failed', 'rejected'];
const WAITING: readonly State[] = ['pending', 'sent'];

/**
 * What boxes are told to do. A command is stored first; it is sent to a box that is there, for its session, and
 * again at each birth until it is answered or expired. One that has expired by this clock is never sent.
 */
@Injectable()
export class Commands {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly link: DeviceLink,
    private readonly audit: Audit,
    births: DeviceBirths,
  ) {
    births.on((address, birth) => this.#born(address, birth));
  }

  /** @throws AppError `DEVICE.NOT_FOUND`, `DEVICE.REVOKED` */
  async create(address: DeviceAddress, command: rest.CreateCommand): Promise<rest.Command> {
    const { tenantId, deviceId } = address;
    const createdAt = new Date(this.clock.wallMs());
    const id = randomUUID();
    const box = await inTransaction(this.database, async (tx) => {
      // A revocation waits for this, and then ends the command, or is seen here.
      const [found] = await tx
        .select({ online: device.online, sessionId: device.sessionId, revokedAt: device.revokedAt })
        .from(device)
        .where(and(eq(device.tenantId, tenantId), eq(device.id, deviceId), isNull(device.deletedAt)))
        .for('share');
      if (found === undefined) throw new AppError('DEVICE.NOT_FOUND', 'There is no such device.');
      if (found.revokedAt !== null) throw new AppError('DEVICE.REVOKED', 'A revoked device is told nothing.');
      await tx.insert(deviceCommand).values({
        ...{ tenantId, deviceId, id, kind: command.kind, state: 'pending', createdAt },
        cameraId: command.kind === 'restart-camera' ? command.cameraId : null,
        expiresAt: new Date(createdAt.getTime() + command.validForSeconds * 1000),
      });
      const subject = { kind: 'device', id: deviceId };
      await this.audit.record(tx, { tenantId, action: `command.${command.kind}`, subject });
      return found;
    });
    if (box.online && box.sessionId !== null) await this.#sendWaiting(address, box.sessionId);
    return this.get(address, id);
  }

  /** @throws AppError `COMMAND.NOT_FOUND` */
  async get(address: DeviceAddress, id: string): Promise<rest.Command> {
    const now = new Date(this.clock.wallMs());
    await this.database.db
      .update(deviceCommand)
      .set({ state: 'expired', error: 'COMMAND.EXPIRED', endedAt: now })
      .where(
        and(this.#row(address, id), inArray(deviceCommand.state, [...WAITING]), lte(deviceCommand.expiresAt, now)),
      );
    const [row] = await this.database.db.select().from(deviceCommand).where(this.#row(address, id));
    if (row === undefined) throw new AppError('COMMAND.NOT_FOUND', 'The device has no such command.');
    return toCommand(row);
  }

  /** Takes what a box says of a command. A state that it has left does not come back. */
  async acknowledged(address: DeviceAddress, ack: CommandAck): Promise<boolean> {
    const state = states[ack.state];
    if (state === undefined || !isUuid(ack.commandId)) return true;
    const ended = ENDED.includes(state) || state === 'expired';
    const overtaken: readonly State[] = ended
      ? ENDED
      : [...ENDED, 'expired', ...(state === 'accepted' ? (['progress'] as const) : [])];
    await this.database.db
      .update(deviceCommand)
      .set({
        state,
        ...outcomeOf(ack),
        endedAt: ended ? new Date(this.clock.wallMs()) : null,
      })
      .where(and(this.#row(address, ack.commandId), notInArray(deviceCommand.state, [...overtaken])));
    return true;
  }

  async #born(address: DeviceAddress, { sessionId }: DeviceBirth): Promise<void> {
    await this.#sendWaiting(address, sessionId);
  }

  async #sendWaiting(address: DeviceAddress, sessionId: string): Promise<void> {
    const { tenantId, deviceId } = address;
    const nowMs = this.clock.wallMs();
    const rows = await this.database.db
      .select()
      .from(deviceCommand)
      .where(
        and(
          eq(deviceCommand.tenantId, tenantId),
          eq(deviceCommand.deviceId, deviceId),
          inArray(deviceCommand.state, [...WAITING]),
          gt(deviceCommand.expiresAt, new Date(nowMs)),
        ),
      )
      .orderBy(asc(deviceCommand.createdAt));
    for (const row of rows) {
      // Before: the box may answer at once, and must not be set back to `sent`.
      await this.database.db
        .update(deviceCommand)
        .set({ state: 'sent' })
        .where(and(this.#row(address, row.id), eq(deviceCommand.state, 'pending')));
      try {
        await this.link.send(address, 'command', CommandSchema, toMessage(row, sessionId, nowMs));
      } catch (error) {
        this.log.warn({ tenantId, deviceId, error: errorMessage(error) }, 'a command waits for the next birth');
        return;
      }
    }
  }

  #row({ tenantId, deviceId }: DeviceAddress, id: string) {
    return and(eq(deviceCommand.tenantId, tenantId), eq(deviceCommand.deviceId, deviceId), eq(deviceCommand.id, id));
  }
}

function toMessage(row: CommandRow, sessionId: string, nowMs: number): MessageInitShape<typeof CommandSchema> {
  const kinds = {
    ping: { case: 'ping', value: {} },
    'restart-camera': { case: 'restartCamera', value: { cameraId: row.cameraId ?? '' } },
    'resync-gallery': { case: 'resyncGallery', value: {} },
    'collect-diagnostics': { case: 'collectDiagnostics', value: {} },
  } as const;
  return {
    schemaVersion: SCHEMA_VERSION,
    commandId: row.id,
    sessionId,
    issuedAtMs: BigInt(Math.floor(nowMs)),
    expiresAtMs: BigInt(row.expiresAt.getTime()),
    validForMs: BigInt(Math.max(0, Math.floor(row.expiresAt.getTime() - nowMs))),
    kind: kinds[row.kind],
  };
}

function toCommand(row: CommandRow): rest.Command {
  const { id, kind, cameraId, state, error, figures } = row;
  return {
    ...{ id, kind, cameraId, state, error, figures },
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}
