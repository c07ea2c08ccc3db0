import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { CommandAckSchema, CommandSchema, CommandState, SCHEMA_VERSION, type Command } from '@sightline/contracts';
import {
  AppError,
  ExclusiveRunner,
  errorMessage,
  isAppError,
  isUuid,
  type Clock,
  type Logger,
} from '@sightline/kernel';

import type { DeviceClock } from '../../device-clock.js';
import type { TrustedTime } from '../../trusted-time.js';
import type { UplinkLink, UplinkPart } from '../uplink-part.js';
import type { CommandJournal, CommandOutcome } from './command-journal.js';

/** What the cloud may have a box do. */
export interface CommandActions {
  /** @throws AppError `CAMERA.NOT_FOUND` */
  restartCamera(cameraId: string): Promise<void>;
  /** Says again what the local cache holds. @throws AppError `COMMAND.UNSUPPORTED` where the box has none */
  resyncGallery(): Promise<void>;
  /** Counters, by name. */
  diagnostics(): Readonly<Record<string, number>>;
}

export interface CommandInboxOptions {
  readonly journal: CommandJournal;
  readonly actions: CommandActions;
  readonly trustedTime: Pick<TrustedTime, 'nowMs' | 'observe'>;
  readonly deviceClock: DeviceClock;
  readonly clock: Clock;
  readonly log: Logger;
}

const STATES = {
  accepted: CommandState.ACCEPTED,
  progress: CommandState.PROGRESS,
  succeeded: CommandState.SUCCEEDED,
  failed: CommandState.FAILED,
  rejected: CommandState.REJECTED,
  expired: CommandState.EXPIRED,
} as const;

type Figures = Readonly<Record<string, number>>;

/**
 * Does what the cloud commands: at most once by id, one after the other, and nothing late.
 *
 * A copy of a command is for one session of the box. What a broker kept from an earlier connection belongs to
 * another session and is not begun, so that no clock has to be right; a clock that is known to be right is asked, too.
 */
export class CommandInbox implements UplinkPart {
  readonly #options: CommandInboxOptions;
  readonly #runner = new ExclusiveRunner();
  #link: UplinkLink | undefined;
  #stopped = false;

  constructor(options: CommandInboxOptions) {
    this.#options = options;
  }

  attach(link: UplinkLink): void {
    this.#link = link;
    link.subscribe(
      'command',
      (bytes) => fromBinary(CommandSchema, bytes),
      (command) => this.take(command),
    );
  }

  /** Tells how commands ended whose end nobody heard of. */
  connected(): void {
    for (const outcome of this.#options.journal.untold) void this.#tell(outcome);
  }

  disconnected(): void {
    // What runs goes on; its end is told on the next connection.
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#runner.run(async () => undefined);
  }

  /**
   * Takes a command. A copy for another session is let go without a word, and leaves its id free: the cloud sends
   * another at each birth until it is answered, and lets it expire by its own clock.
   *
   * @throws AppError `MQTT.MALFORMED_MESSAGE` when it has no id
   */
  take(command: Command): void {
    const { journal, clock, log, trustedTime } = this.#options;
    const { commandId: id } = command;
    if (!isUuid(id)) throw new AppError('MQTT.MALFORMED_MESSAGE', 'The command has no id.');
    trustedTime.observe(Number(command.issuedAtMs));
    const known = journal.find(id);
    if (known) {
      void (known.state === 'accepted' ? this.#say({ ...known, state: 'accepted' }) : this.#tell(known));
      return;
    }
    // Now, not when its turn comes: a connection that goes meanwhile does not undo that it came in time.
    if (command.sessionId !== this.#link?.sessionId) {
      log.debug({ command: id }, 'a copy of a command was for another session');
      return;
    }
    const receivedMs = clock.monotonicMs();
    log.info({ command: id, kind: command.kind.case ?? 'unknown' }, 'command received');
    void this.#runner
      .run(() => this.#execute(command, receivedMs))
      .catch((error: unknown) => log.error({ code: codeOf(error), command: id }, 'a command could not be begun'));
  }

  async #execute(command: Command, receivedMs: number): Promise<void> {
    const { journal } = this.#options;
    const id = command.commandId;
    if (this.#stopped || journal.find(id)) return;
    if (this.#isLate(command, receivedMs)) {
      await this.#end({ id, state: 'expired', error: 'COMMAND.EXPIRED', figures: {}, told: false });
      return;
    }
    if (command.kind.case === undefined) {
      await this.#end({ id, state: 'rejected', error: 'COMMAND.UNKNOWN', figures: {}, told: false });
      return;
    }
    // Before it begins: a restart in the middle must not do it again.
    journal.put({ id, state: 'accepted', error: '', figures: {}, told: false });
    await this.#say({ id, state: 'accepted', error: '', figures: {} });
    await this.#end(await this.#outcomeOf(command.kind, id));
  }

  /** Does it. @returns how it ended */
  async #outcomeOf(kind: Command['kind'], id: string): Promise<CommandOutcome> {
    try {
      const figures = await this.#perform(kind, id);
      return { id, state: 'succeeded', error: '', figures: { ...figures }, told: false };
    } catch (error) {
      const code = codeOf(error);
      this.#options.log.warn({ code, command: id, cause: errorMessage(error) }, 'a command failed');
      const state = code === 'COMMAND.UNSUPPORTED' ? 'rejected' : 'failed';
      return { id, state, error: code, figures: {}, told: false };
    }
  }

  async #perform(kind: Command['kind'], id: string): Promise<Figures> {
    const { actions } = this.#options;
    switch (kind.case) {
      case 'restartCamera':
        await this.#say({ id, state: 'progress', error: '', figures: {} });
        await actions.restartCamera(kind.value.cameraId);
        return {};
      case 'resyncGallery':
        await this.#say({ id, state: 'progress', error: '', figures: {} });
        await actions.resyncGallery();
        return {};
      case 'collectDiagnostics':
        return actions.diagnostics();
      default:
        return {};
    }
  }

  #isLate({ expiresAtMs, validForMs }: Command, receivedMs: number): boolean {
    const { clock, deviceClock, trustedTime } = this.#options;
    if (clock.monotonicMs() - receivedMs > Number(validForMs)) return true;
    return deviceClock.synchronised && trustedTime.nowMs() > Number(expiresAtMs);
  }

  /** Remembers the end and tells it, also when it cannot be written down: what happened does not depend on that. */
  async #end(outcome: CommandOutcome): Promise<void> {
    const { journal, log } = this.#options;
    try {
      journal.put(outcome);
    } catch (error) {
      log.warn({ code: codeOf(error), command: outcome.id }, 'the end of a command could not be written down');
    }
    await this.#tell(outcome);
  }

  async #tell(outcome: CommandOutcome): Promise<void> {
    const { journal, log } = this.#options;
    if (!(await this.#say(outcome)) || outcome.told) return;
    try {
      journal.put({ ...outcome, told: true });
    } catch (error) {
      // Then it is told again: the cloud takes it twice.
      log.warn({ code: codeOf(error) }, 'the journal of commands could not be written');
    }
  }

  /** @returns whether the broker has taken it */
  async #say({
    id,
    state,
    error,
    figures,
  }: Pick<CommandOutcome, 'id' | 'error' | 'figures'> & { readonly state: keyof typeof STATES }): Promise<boolean> {
    const link = this.#link;
    if (!link?.connected) return false;
    const ack = create(CommandAckSchema, {
      schemaVersion: SCHEMA_VERSION,
      commandId: id,
      state: STATES[state],
      at: this.#options.deviceClock.deviceTime(),
      progress: state === 'succeeded' ? 1 : 0,
      error,
      figures: { ...figures },
    });
    try {
      await link.publish('command/ack', toBinary(CommandAckSchema, ack));
      return true;
    } catch (failure) {
      this.#options.log.debug({ code: codeOf(failure), command: id }, 'the broker did not take news of a command');
      return false;
    }
  }
}

function codeOf(error: unknown): string {
  return isAppError(error) ? error.code : 'COMMAND.FAILED';
}
