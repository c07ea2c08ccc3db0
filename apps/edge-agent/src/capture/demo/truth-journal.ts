import { appendFile, readFile } from 'node:fs/promises';

import { demoTruthSchema, type DemoTruth } from './script.js';

/** What the demo camera really showed, as JSON lines in a file, so that a demo can be scored. */
export class TruthJournal {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async write(truth: DemoTruth): Promise<void> {
    await appendFile(this.#path, `${JSON.stringify(truth)}\n`, { mode: 0o600 });
  }

  /** Ids of the passes that were begun. A line that a crash cut short is ignored. */
  async startedPasses(cameraId: string): Promise<ReadonlySet<string>> {
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    const started = new Set<string>();
    for (const line of text.split('\n')) {
      const truth = parseLine(line);
      if (truth?.event === 'started' && truth.cameraId === cameraId) started.add(truth.passId);
    }
    return started;
  }
}

function parseLine(line: string): DemoTruth | undefined {
  try {
    return demoTruthSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
