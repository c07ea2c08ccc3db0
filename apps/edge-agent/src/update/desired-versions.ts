import { readFileSync } from 'node:fs';

import { writeFileDurablySync } from '@sightline/host';
import type { Logger } from '@sightline/kernel';
import { z } from 'zod';

const desiredSchema = z.object({
  release: z.object({ version: z.number().int(), digest: z.string() }).optional(),
  config: z.object({ version: z.number().int(), document: z.base64() }).optional(),
});

/** The newest desired documents that this box has taken. */
export type DesiredVersions = z.infer<typeof desiredSchema>;

/** Remembers desired documents across boots, so that an older one is never taken for news. */
export class DesiredVersionsFile {
  readonly #path: string;
  #current: DesiredVersions;

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#current = read(path, log);
  }

  get current(): DesiredVersions {
    return this.#current;
  }

  update(changes: DesiredVersions): void {
    this.#current = { ...this.#current, ...changes };
    writeFileDurablySync(this.#path, JSON.stringify(this.#current), 0o600);
  }
}

function read(path: string, log: Logger): DesiredVersions {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  try {
    return desiredSchema.parse(JSON.parse(text));
  } catch {
    // The cloud keeps the documents: they come again with the next connection.
    log.error({ code: 'UPDATE.STATE_UNREADABLE' }, 'the remembered desired documents are damaged: starting without');
    return {};
  }
}
