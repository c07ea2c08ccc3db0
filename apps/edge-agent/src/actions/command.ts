import { AppError } from '@sightline/kernel';

import { fillPlaceholders } from './action-event.js';
import { notReceived, type Attempt, type Performer } from './performer.js';
import type { LaunchEnd, ProgramLauncher } from './program-launcher.js';
import type { ProgramCall } from './run-program.js';

/** A command with its secrets; its arguments may have placeholders. */
export interface CommandOptions extends Omit<ProgramCall, 'input'> {
  readonly launcher: Pick<ProgramLauncher, 'run'>;
}

/** Of processes, files or memory: may pass. */
const SCARCITY: ReadonlySet<string> = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * Starts a program for each event, without a shell. It gets the event as JSON on its standard input; what it writes
 * goes nowhere.
 *
 * It does not die with the agent, unlike FFmpeg: half-way through it may have left a door open.
 */
export class Command implements Performer {
  readonly #options: CommandOptions;

  constructor(options: CommandOptions) {
    this.#options = options;
  }

  /**
   * @throws AppError `ACTION.NOT_STARTED` (there is no such program, or it may not be started), `ACTION.REFUSED` (its
   *   exit code is not 0), `ACTION.TIMED_OUT`, `ACTION.INTERRUPTED_TRANSFER` (nobody knows how it ended),
   *   `ACTION.ABORTED`
   */
  async perform({ event, signal }: Attempt): Promise<void> {
    const { launcher, program, arguments: texts, environment, timeoutMs } = this.#options;
    const told = event();
    const args = texts.map((text) => fillPlaceholders(text, told));
    const call = { program, arguments: args, environment, timeoutMs, input: JSON.stringify(told) };
    judge(await launcher.run(call, signal));
  }

  async close(): Promise<void> {
    // Nothing stays open between events.
  }
}

function judge(end: LaunchEnd): void {
  switch (end.kind) {
    case 'exited':
      if (end.exitCode === 0) return;
      throw new AppError('ACTION.REFUSED', 'The command did not end with a success.', {
        details: end.exitCode === null ? {} : { exitCode: end.exitCode },
      });
    case 'not-started': {
      const { reason } = end;
      if (SCARCITY.has(reason)) throw notReceived('ACTION.NOT_STARTED', 'The system starts no more processes.');
      throw new AppError('ACTION.NOT_STARTED', 'The command could not be started.', { details: { reason } });
    }
    case 'timed-out':
      throw new AppError('ACTION.TIMED_OUT', 'The command took too long and was ended.');
    case 'aborted':
      throw new AppError('ACTION.ABORTED', 'The agent has ended.');
    case 'lost':
      throw new AppError('ACTION.INTERRUPTED_TRANSFER', 'The process that starts commands has died.');
  }
}
