import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';

const writer = fileURLToPath(new URL('../../apps/edge-agent/dist/testing/cache-writer.js', import.meta.url));
const stateSchema = z.object({
  version: z.number(),
  held: z.record(z.string(), z.string()),
  pending: z.array(z.string()),
  codes: z.array(z.string()),
});
const receiptSchema = z.object({ version: z.number(), erasureIds: z.array(z.string()), error: z.string() });
type Receipt = z.infer<typeof receiptSchema>;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-cache-kill-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Run {
  /** Undefined when it died before it had opened the cache. */
  readonly state: z.infer<typeof stateSchema> | undefined;
  readonly receipts: readonly Receipt[];
  readonly wasKilled: boolean;
}

/** Runs a writer until it ends or dies; `onReceipt` may kill it. */
async function run(
  args: readonly (number | string)[],
  onReceipt: (kill: () => void) => void = () => undefined,
): Promise<Run> {
  const child = spawn(process.execPath, [writer, directory, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length > 1) onReceipt(() => child.kill('SIGKILL'));
  }
  const [code, signal] = (await exited) as [number | null, string | null];
  expect([0, null]).toContain(code);
  const [first, ...rest] = lines.map((line) => JSON.parse(line) as unknown);
  return {
    state: first === undefined ? undefined : stateSchema.parse(first),
    receipts: rest.map((line) => receiptSchema.parse(line)),
    wasKilled: signal === 'SIGKILL',
  };
}

/** Exactly what the deltas up to a version leave: nothing of the one before, nothing of the one after. */
function expected(version: number): Readonly<Record<string, string>> {
  const people = [0, version - 1, version].filter((number) => number >= 0);
  return version === 0
    ? {}
    : Object.fromEntries(people.filter((n) => n === 0 || n >= 1).map((n) => [n, n === 0 ? `v${version}` : `v${n}`]));
}

function sealedRows(): readonly Buffer[] {
  if (!existsSync(join(directory, 'cache.db'))) return [];
  const database = new Database(join(directory, 'cache.db'), { readonly: true });
  try {
    const rows = database.prepare('SELECT sealed FROM person').all([]) as { readonly sealed: ArrayBuffer }[];
    return rows.map(({ sealed }) => Buffer.from(sealed));
  } catch {
    // It was killed before it had made the table.
    return [];
  } finally {
    database.close();
  }
}

function fileBytes(): Buffer {
  const files = ['', '-wal', '-shm', '-journal'].map((suffix) => join(directory, `cache.db${suffix}`));
  return Buffer.concat(files.filter((file) => existsSync(file)).map((file) => readFileSync(file)));
}

/** Of rows that were there and are no more, nothing is left in the file. */
function expectNoResidue(before: readonly Buffer[]): void {
  const now = sealedRows();
  const bytes = fileBytes();
  for (const row of before.filter((old) => !now.some((other) => other.equals(old)))) {
    for (let at = 0; at + 24 <= row.length; at += 8) expect(bytes.includes(row.subarray(at, at + 24))).toBe(false);
  }
}

describe('a local cache whose process is killed', () => {
  it('before any call of its database, holds the old version or the new one, and of the erased nothing', async () => {
    await run([3]);
    let told = 3;
    let kills = 0;
    let rows = sealedRows();
    const opened = new Set<number>();
    for (let call = 1; ; call += 1) {
      const { state, receipts, wasKilled } = await run([1, call]);
      if (state) {
        // What the last process left.
        expect([told, told + 1]).toContain(state.version);
        expect(state.held).toEqual(expected(state.version));
        expect(state.codes).toEqual([]);
        told = state.version;
        opened.add(told);
      }
      for (const { version, error } of receipts) {
        expect({ version, error }).toEqual({ version: told + 1, error: '' });
        told = version;
        expectNoResidue(rows);
      }
      if (!wasKilled) break;
      kills += 1;
      rows = receipts.length > 0 ? sealedRows() : rows;
    }
    const { state } = await run([0]);
    expect(state).toMatchObject({ version: told, held: expected(told), codes: [] });
    expectNoResidue(rows);
    // Every statement of opening and of one delta; and the change got through at some of them.
    expect(kills).toBeGreaterThan(20);
    expect(opened.size).toBeGreaterThan(1);
  });

  it('at any moment, holds what its last receipt said, or one delta more, and tells its erasures again', async () => {
    let told = 0;
    for (let round = 0; round < 4; round += 1) {
      let lines = 0;
      const { state, receipts } = await run([100_000], (kill) => {
        if ((lines += 1) === 5 + 9 * round) kill();
      });
      expect([told, told + 1]).toContain(state?.version);
      expect(state).toMatchObject({ held: expected(state?.version ?? -1), codes: [] });
      if (told > 2) expect(state?.pending).toContain(`e-${told - 2}`);
      told = receipts.at(-1)?.version ?? told;
    }
    expect(told).toBeGreaterThan(60);
  });
});
