import { readFileSync } from 'node:fs';

import { writeFileDurablySync } from '@sightline/host';
import { isAppError, type Logger } from '@sightline/kernel';
import { z } from 'zod';

/** How a command ended, or that it began. */
const outcomeSchema = z.object({
  id: z.string(),
  state: z.enum(['accepted', 'succeeded', 'failed', 'rejected', 'expired']),
  error: z.string(),
  figures: z.record(z.string(), z.number()),
  /** Whether the broker has taken the news of its end. */
  told: z.boolean(),
});
export type CommandOutcome = Readonly<z.infer<typeof outcomeSchema>>;

/** Commands that are remembered: one that comes again after so many others would be done again. */
const REMEMBERED = 200;

/**
 * What became of the commands of this box, across restarts: a command that comes twice is done once. One that had
 * begun when the process died has failed, since nobody knows how far it got.
 */
export class CommandJournal {
  readonly #path: string;
  readonly #log: Logger;
  readonly #outcomes = new Map<string, CommandOutcome>();

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
    for (const outcome of this.#read()) {
      const ended = outcome.state !== 'accepted';
      this.#outcomes.set(outcome.id, ended ? outcome : { ...outcome, state: 'failed', error: 'COMMAND.INTERRUPTED' });
    }
  }

  find(id: string): CommandOutcome | undefined {
    return this.#outcomes.get(id);
  }

  /** Ends of which nobody was told yet, oldest first. */
  get untold(): readonly CommandOutcome[] {
    return [...this.#outcomes.values()].filter(({ state, told }) => state !== 'accepted' && !told);
  }

  /**
   * Remembers durably.
   *
   * @throws AppError or Error when the disk does not take it: then the command must not begin
   */
  put(outcome: CommandOutcome): void {
    const before = this.#outcomes.get(outcome.id);
    this.#outcomes.set(outcome.id, outcome);
    const [oldest] = this.#outcomes.keys();
    if (this.#outcomes.size > REMEMBERED && oldest !== undefined) this.#outcomes.delete(oldest);
    try {
      writeFileDurablySync(this.#path, JSON.stringify([...this.#outcomes.values()]), 0o600);
    } catch (error) {
      if (!before) this.#outcomes.delete(outcome.id);
      throw error;
    }
  }

  #read(): readonly CommandOutcome[] {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch {
      return [];
    }
    try {
      return z.array(outcomeSchema).parse(JSON.parse(text));
    } catch (error) {
      const code = isAppError(error) ? error.code : 'COMMAND.JOURNAL_UNREADABLE';
      this.#log.error({ code }, 'the journal of commands is damaged: starting without');
      return [];
    }
  }
}
