import { readFileSync } from 'node:fs';

import { writeFileDurablySync } from '@sightline/host';
import { errorMessage, type Logger } from '@sightline/kernel';
import { z } from 'zod';

const countsSchema = z.object({
  starts: z.number().int(),
  unclean: z.number().int(),
  memoryExceeded: z.number().int(),
});
const fileSchema = countsSchema.extend({ isRunning: z.boolean() });

/** How the agent's runs on this box have ended, since its data directory was made. */
export interface RunCounts {
  readonly starts: number;
  /** Runs that ended without their stop: killed, crashed, or the power went. */
  readonly unclean: number;
  /** Runs that ended themselves at the memory ceiling. */
  readonly memoryExceeded: number;
}

/** Counts runs in a small file. A file that cannot be read or written costs the counts, never the run. */
export class RunHistory {
  readonly #path: string;
  readonly #log: Logger;
  #counts: RunCounts;

  /** Counts this run as begun. */
  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
    const before = this.#read();
    const { starts, unclean, memoryExceeded } = before;
    this.#counts = { starts: starts + 1, unclean: unclean + (before.isRunning ? 1 : 0), memoryExceeded };
    this.#write(true);
  }

  get counts(): RunCounts {
    return this.#counts;
  }

  /** Counts this run as ended in order. */
  ended(reason: 'stopped' | 'memory-exceeded'): void {
    const { memoryExceeded } = this.#counts;
    this.#counts = { ...this.#counts, memoryExceeded: memoryExceeded + (reason === 'memory-exceeded' ? 1 : 0) };
    this.#write(false);
  }

  #read(): z.infer<typeof fileSchema> {
    try {
      return fileSchema.parse(JSON.parse(readFileSync(this.#path, 'utf8')));
    } catch {
      return { starts: 0, unclean: 0, memoryExceeded: 0, isRunning: false };
    }
  }

  #write(isRunning: boolean): void {
    try {
      writeFileDurablySync(this.#path, JSON.stringify({ ...this.#counts, isRunning }), 0o600);
    } catch (error) {
      this.#log.warn({ code: 'AGENT.HISTORY_UNAVAILABLE', cause: errorMessage(error) }, 'runs are not counted');
    }
  }
}
