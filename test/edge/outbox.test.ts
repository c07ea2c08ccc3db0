import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';

const run = promisify(execFile);
const writer = fileURLToPath(new URL('../../apps/edge-agent/dist/testing/outbox-writer.js', import.meta.url));
const week = fileURLToPath(new URL('../../apps/edge-agent/dist/testing/week-without-network.js', import.meta.url));
const rates = fileURLToPath(new URL('../../apps/edge-agent/dist/testing/outbox-rates.js', import.meta.url));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-outbox-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Row {
  readonly sequence: number;
  readonly first: number | null;
  readonly lost: number | null;
  readonly text: string;
}

function readOutbox(path: string): { readonly lastSequence: number; readonly rows: readonly Row[] } {
  const database = new Database(path);
  try {
    const { last } = database.prepare('SELECT last_sequence AS last FROM stream').get() as { last: number };
    const rows = database
      .prepare(
        'SELECT sequence, first_sequence AS first, lost, CAST(substr(payload, 1, 8) AS TEXT) AS text FROM record ORDER BY sequence',
      )
      .all() as Row[];
    return { lastSequence: last, rows };
  } finally {
    database.close();
  }
}

/** Every sequence of the stream, each once, in order: as a record or within a gap. */
function accounted(rows: readonly Row[]): readonly number[] {
  return rows.flatMap(({ sequence, first }) =>
    Array.from({ length: sequence - (first ?? sequence) + 1 }, (_, index) => (first ?? sequence) + index),
  );
}

describe('an outbox whose process is killed while it drops', () => {
  it('accounts for every sequence, and has every record that it did not drop', async () => {
    const path = join(directory, 'outbox.db');
    const bound = 1024 * 1024;
    for (let round = 0; round < 5; round += 1) {
      const child = spawn(process.execPath, [writer, path, String(bound)], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const exited = once(child, 'exit');
      const said = new Map<number, string>();
      for await (const line of createInterface({ input: child.stdout })) {
        const [sequence = '', text = ''] = line.split(' ');
        said.set(Number(sequence), text);
        if (said.size === 400 + 31 * round) child.kill('SIGKILL');
      }
      await exited;
      const { lastSequence, rows } = readOutbox(path);
      expect(accounted(rows)).toEqual(Array.from({ length: lastSequence }, (_, index) => index + 1));
      expect(lastSequence).toBeGreaterThanOrEqual(Math.max(...said.keys()));
      const stored = new Map(rows.filter(({ first }) => first === null).map(({ sequence, text }) => [sequence, text]));
      const gaps = rows.filter(({ first }) => first !== null);
      for (const [sequence, text] of said) {
        const isDropped = gaps.some((gap) => (gap.first ?? 0) <= sequence && sequence <= gap.sequence);
        if (!isDropped) expect(stored.get(sequence)).toContain(text);
      }
      expect(statSync(path).size).toBeLessThanOrEqual(bound);
      if (round > 1) expect(gaps.length).toBeGreaterThan(0);
    }
  });
});

describe('an outbox on a disk that is full', () => {
  const disk = (): string => join(directory, 'disk');

  beforeEach(async () => {
    await run('mkdir', [disk()]);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk()]);
  });
  afterEach(() => run('umount', ['-l', disk()]));

  it('loses nothing that it stored, says so, and goes on by itself when there is room', async () => {
    const ballast = join(disk(), 'ballast');
    writeFileSync(ballast, Buffer.alloc(1024 * 1024));
    const path = join(disk(), 'outbox.db');
    // Its own bound is far larger than the disk.
    const child = spawn(process.execPath, [writer, path, String(2 ** 30)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(child, 'exit');
    const said: number[] = [];
    const problems: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => {
      problems.push(line);
      if (problems.length === 1) rmSync(ballast);
      if (line === 'none') saidBefore = said.length;
    });
    let saidBefore = Number.POSITIVE_INFINITY;
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(Number(line.split(' ')[0]));
      if (said.length === saidBefore + 20) child.kill('SIGKILL');
    }
    await exited;
    expect(problems.slice(0, 2)).toEqual(['OUTBOX.DISK_FULL', 'none']);
    expect(said).toEqual(said.map((_, index) => index + 1));
    const { rows } = readOutbox(path);
    expect(rows.some(({ first }) => first !== null)).toBe(false);
    expect(rows.map(({ sequence }) => sequence).slice(0, said.length)).toEqual(said);
  });
});

describe('a broker that is away for a simulated week', () => {
  const reportSchema = z.object({
    ...{ records: z.number(), backlog: z.number(), received: z.number(), replayed: z.number(), left: z.number() },
    ...{ largestBatch: z.number(), mostInFlight: z.number(), inOrder: z.boolean(), heapPeakMegabytes: z.number() },
    dropped: z.object({ superseded: z.number(), lost: z.number() }),
    answers: z.object({ identified: z.number(), unknown: z.number(), refused: z.number(), ignored: z.number() }),
  });

  it('gets everything in order when it is back, in bounded memory, and no late answer is acted upon', async () => {
    const { stdout } = await run(process.execPath, ['--expose-gc', week, directory, '10000']);
    const report = reportSchema.parse(JSON.parse(stdout));
    expect(report).toMatchObject({
      ...{ records: 10_000, backlog: 10_000, received: 10_000, inOrder: true, left: 0 },
      // What was sent before the network went is marked.
      replayed: 10,
      dropped: { superseded: 0, lost: 0 },
      answers: { identified: 0, ignored: 10_000 },
    });
    expect(report.mostInFlight).toBeLessThanOrEqual(4);
    expect(report.largestBatch).toBeLessThan(300 * 1024);
    expect(report.heapPeakMegabytes).toBeLessThan(20);
  });
});

describe('the program that measures group commit', () => {
  it('prints rows a second of both ways', async () => {
    const { stdout } = await run(process.execPath, [rates, directory, '0.3', '1']);
    const ratesSchema = z.object({ grouped: z.array(z.number()).length(1), single: z.array(z.number()).length(1) });
    const { grouped, single } = ratesSchema.parse(JSON.parse(stdout));
    expect(grouped[0]).toBeGreaterThan(single[0] ?? Infinity);
  });
});
