import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { newSightingId, systemClock, type AppError, type SightingId } from '@sightline/kernel';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { TestLog } from '../testing/test-log.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { openOutboxStore } from './open-outbox-store.js';
import type { NewRecord, OutboxStore } from './outbox-store.js';
import { Outbox, type OutboxOptions } from './outbox.js';

const MIB = 1024 * 1024;

let directory: string;
let path: string;
let log: TestLog;
const open: Outbox[] = [];
const stores: OutboxStore[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-outbox-'));
  path = join(directory, 'outbox.db');
  log = new TestLog();
});

afterEach(async () => {
  for (const outbox of open.splice(0)) await outbox.close();
  stores.length = 0;
  rmSync(directory, { recursive: true, force: true });
});

function openOutbox(options: Partial<OutboxOptions> & { readonly maximumBytes?: number } = {}): Outbox {
  const { maximumBytes = 64 * MIB, ...rest } = options;
  const store = openOutboxStore({ path, maximumBytes, clock: systemClock, log });
  stores.push(store);
  const outbox = new Outbox(store, {
    commitDelayMs: 1,
    groupSize: 100,
    queueLimit: 1000,
    clock: systemClock,
    random: () => 0.5,
    log,
    onFatal: (error) => {
      throw error;
    },
    ...rest,
  });
  open.push(outbox);
  return outbox;
}

function lastStore(): OutboxStore {
  const store = stores.at(-1);
  if (!store) throw new Error('no outbox is open');
  return store;
}

function record(text = 'record', options: Partial<NewRecord> = {}): NewRecord {
  return { payload: Buffer.from(text), sightingId: newSightingId(), leavesOpen: false, ...options };
}

function texts(outbox: Outbox, after = 0): readonly string[] {
  return outbox.pending(after, 1000).map(({ sequence, payload }) => `${sequence} ${Buffer.from(payload).toString()}`);
}

describe('the outbox', () => {
  it('numbers records in the order in which they were given, from 1', async () => {
    const outbox = openOutbox();
    const sequences = await Promise.all(['a', 'b', 'c'].map((text) => outbox.append(record(text))));
    expect(sequences).toEqual([1, 2, 3]);
    expect(texts(outbox)).toEqual(['1 a', '2 b', '3 c']);
    expect(texts(outbox, 1)).toEqual(['2 b', '3 c']);
    expect(outbox.pending(0, 2)).toHaveLength(2);
  });

  it('stores what arrives together in one transaction, and at once when the group is full', async () => {
    const clock = new VirtualClock();
    const outbox = openOutbox({ clock, commitDelayMs: 50, groupSize: 3 });
    let commits = 0;
    outbox.onStored(() => (commits += 1));
    const early = [outbox.append(record()), outbox.append(record())];
    await clock.advance(49);
    expect(commits).toBe(0);
    await clock.advance(1);
    expect(await Promise.all(early)).toEqual([1, 2]);
    expect(commits).toBe(1);
    const full = [1, 2, 3].map(() => outbox.append(record()));
    await clock.advance(0);
    expect(await Promise.all(full)).toEqual([3, 4, 5]);
    expect(commits).toBe(2);
  });

  it('goes on with stream, sequence and records after a restart', async () => {
    const first = openOutbox();
    const stream = first.streamId;
    await first.append(record('a'));
    await first.append(record('b'));
    first.acknowledge(stream, 2);
    await first.close();
    const second = openOutbox();
    expect(second.streamId).toBe(stream);
    expect(second.backlog).toBe(0);
    expect(await second.append(record('c'))).toBe(3);
    expect(texts(second)).toEqual(['3 c']);
  });

  it('lets records go on an acknowledgement of its own stream alone', async () => {
    const outbox = openOutbox();
    await Promise.all([outbox.append(record('a')), outbox.append(record('b'))]);
    expect(outbox.acknowledge('018f3c1e-0000-7000-8000-000000000000', 2)).toBe('foreign-stream');
    expect(outbox.acknowledge(outbox.streamId, 3)).toBe('beyond-end');
    expect(outbox.acknowledge(outbox.streamId, 0)).toBe('stale');
    expect(outbox.backlog).toBe(2);
    expect(outbox.acknowledge(outbox.streamId, 1)).toBe('applied');
    expect(outbox.acknowledge(outbox.streamId, 1)).toBe('stale');
    expect(outbox.backlog).toBe(1);
    expect(texts(outbox)).toEqual(['2 b']);
  });

  it('remembers across restarts what was handed to the broker', async () => {
    const first = openOutbox();
    await Promise.all([first.append(record()), first.append(record())]);
    first.markSent(1);
    expect([first.wasSent(1), first.wasSent(2)]).toEqual([true, false]);
    await first.close();
    const second = openOutbox();
    expect([second.wasSent(1), second.wasSent(2)]).toEqual([true, false]);
  });

  it('remembers open sightings in the transaction of their records, and forgets closed ones', async () => {
    const first = openOutbox();
    const [stays, leaves] = [newSightingId(), newSightingId()];
    await first.append(record('open 1', { sightingId: stays, leavesOpen: true }));
    await first.append(record('open 2', { sightingId: leaves, leavesOpen: true }));
    await first.append(record('update 1', { sightingId: stays, leavesOpen: true }));
    await first.append(record('close 2', { sightingId: leaves }));
    first.acknowledge(first.streamId, 4);
    await first.close();
    const store = openOutboxStore({ path, maximumBytes: MIB, clock: systemClock, log });
    expect(store.openSightings().map((payload) => Buffer.from(payload).toString())).toEqual(['update 1']);
    store.close();
  });

  it('keeps its file for its owner alone', async () => {
    await openOutbox().append(record());
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('rejects what comes after its end', async () => {
    const outbox = openOutbox();
    await outbox.close();
    await expect(outbox.append(record())).rejects.toMatchObject({ code: 'OUTBOX.CLOSED' });
  });
});

/** Makes the disk under an outbox refuse, as a full one does, until it is told otherwise. */
function fillDisk(store: OutboxStore): { free(): void } {
  const commit = store.commit.bind(store);
  store.commit = () => {
    throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
  };
  return { free: () => (store.commit = commit) };
}

describe('an outbox on a full disk', () => {
  it('keeps records in memory, says so once, and stores them when there is room again', async () => {
    const clock = new VirtualClock();
    const outbox = openOutbox({ clock });
    const stored = outbox.append(record('stored before'));
    await clock.advance(10);
    const disk = fillDisk(lastStore());
    const waiting = ['a', 'b'].map((text) => outbox.append(record(text)));
    await clock.advance(600_000);
    expect(outbox.problem?.code).toBe('OUTBOX.DISK_FULL');
    expect(outbox.backlog).toBe(3);
    expect(texts(outbox)).toEqual(['1 stored before']);
    disk.free();
    await clock.advance(60_000);
    expect(await Promise.all([stored, ...waiting])).toEqual([1, 2, 3]);
    expect(outbox.problem).toBeUndefined();
    expect(outbox.dropped).toEqual({ superseded: 0, lost: 0 });
    expect(log.codes).toEqual(['OUTBOX.DISK_FULL']);
  });

  it('lets the oldest in memory go when that is full, too, and accounts for them in a gap', async () => {
    const clock = new VirtualClock();
    const outbox = openOutbox({ clock, queueLimit: 2 });
    const disk = fillDisk(lastStore());
    const outcomes = Promise.allSettled(['a', 'b', 'c', 'd'].map((text) => outbox.append(record(text))));
    disk.free();
    await clock.advance(60_000);
    expect((await outcomes).map((each) => (each.status === 'fulfilled' ? each.value : 'refused'))).toEqual([
      ...['refused', 'refused'],
      ...[3, 4],
    ]);
    expect(outbox.pending(0, 9)[0]).toMatchObject({ sequence: 2, gap: { firstSequence: 1, lost: 2 } });
    expect(texts(outbox, 2)).toEqual(['3 c', '4 d']);
    expect(outbox.dropped).toEqual({ superseded: 0, lost: 2 });
  });

  it('lets revisions in memory go first of which a later one comes, for which no gap is needed', async () => {
    const clock = new VirtualClock();
    const outbox = openOutbox({ clock, queueLimit: 2 });
    const sightingId = newSightingId();
    const first = outbox.append(record('other'));
    const superseded = outbox.append(record('open', { sightingId, leavesOpen: true }));
    const last = outbox.append(record('close', { sightingId }));
    await expect(superseded).rejects.toMatchObject({ code: 'OUTBOX.OVERLOADED', retryable: true });
    await clock.advance(10);
    expect(await Promise.all([first, last])).toEqual([1, 2]);
    expect(outbox.dropped).toEqual({ superseded: 1, lost: 0 });
  });
});

describe('an outbox that has reached its bound', () => {
  const large = (sightingId: SightingId, leavesOpen: boolean): NewRecord =>
    record(`${sightingId} ${'x'.repeat(3000)}`, { sightingId, leavesOpen });

  /** Sequences that are accounted for, and whether each is a gap. */
  const account = (outbox: Outbox): readonly (readonly [number, boolean])[] =>
    outbox
      .pending(0, 10_000)
      .flatMap(({ sequence, gap }) =>
        Array.from({ length: sequence - (gap?.firstSequence ?? sequence) + 1 }, (_, index) => [
          (gap?.firstSequence ?? sequence) + index,
          gap !== undefined,
        ]),
      ) as [number, boolean][];

  it('drops superseded revisions first, then the oldest records, never the newest, and stays within it', async () => {
    const clock = new VirtualClock();
    const outbox = openOutbox({ clock, maximumBytes: MIB, commitDelayMs: 0, groupSize: 20 });
    const sightings = Array.from({ length: 400 }, newSightingId);
    for (const [index, sightingId] of sightings.entries()) {
      // Every sighting is opened, and closed a little later.
      const earlier = sightings[index - 5];
      void outbox.append(large(sightingId, true));
      if (earlier) void outbox.append(large(earlier, false));
      if (index % 10 !== 9) continue;
      await clock.advance(1);
      if (outbox.dropped.superseded > 0 && outbox.dropped.lost === 0) {
        // Whatever was closed so far is still there.
        const kept = new Set(texts(outbox).map((text) => text.split(' ')[1]));
        expect(sightings.slice(0, index - 5).every((id) => kept.has(id))).toBe(true);
      }
    }
    expect(outbox.dropped.superseded).toBeGreaterThan(100);
    expect(outbox.dropped.lost).toBeGreaterThan(100);
    expect(statSync(path).size).toBeLessThanOrEqual(MIB);
    expect(outbox.usedBytes).toBeLessThanOrEqual(MIB);
    const sequences = account(outbox);
    expect(sequences.map(([sequence]) => sequence)).toEqual(
      Array.from({ length: outbox.nextSequence - 1 }, (_, index) => index + 1),
    );
    expect(sequences.at(-1)).toEqual([outbox.nextSequence - 1, false]);
    const gaps = outbox.pending(0, 10_000).flatMap(({ gap }) => (gap ? [gap.lost] : []));
    expect(gaps.reduce((sum, lost) => sum + lost, 0)).toBe(outbox.dropped.lost);
    expect(sequences.filter(([, isGap]) => isGap)).toHaveLength(outbox.dropped.lost + outbox.dropped.superseded);
    expect(outbox.problem).toBeUndefined();
    expect(new Set(log.codes)).toEqual(new Set(['OUTBOX.DROPPED']));
  });

  it('makes room by acknowledgements, and drops nothing while there is some', async () => {
    const clock = new VirtualClock();
    const outbox = openOutbox({ clock, maximumBytes: MIB, commitDelayMs: 0 });
    for (let count = 0; count < 1000; count += 1) {
      void outbox.append(large(newSightingId(), false));
      if (count % 20 === 19) await clock.advance(1);
      if (count % 100 === 99) outbox.acknowledge(outbox.streamId, count - 20);
    }
    expect(outbox.dropped).toEqual({ superseded: 0, lost: 0 });
    expect(outbox.backlog).toBe(21);
    expect(log.codes).toEqual([]);
  });

  it('keeps its gaps, one for each run, across a restart, and lets them go when they are acknowledged', async () => {
    const clock = new VirtualClock();
    const options = { clock, maximumBytes: MIB, commitDelayMs: 0 };
    const first = openOutbox(options);
    for (let count = 0; count < 600; count += 1) {
      void first.append(large(newSightingId(), false));
      if (count % 20 === 19) await clock.advance(1);
    }
    const before = first.pending(0, 1);
    await first.close();
    const second = openOutbox(options);
    expect(second.pending(0, 1)).toEqual(before);
    const [gap] = before;
    expect(gap?.gap?.firstSequence).toBe(1);
    expect(second.pending(0, 10_000).filter((each) => each.gap)).toHaveLength(1);
    second.acknowledge(second.streamId, gap?.sequence ?? 0);
    await clock.advance(10);
    expect(second.pending(0, 1)[0]).toMatchObject({ sequence: (gap?.sequence ?? 0) + 1 });
  });

  it('goes on with a file that was written before gaps were known', async () => {
    const old = new Database(path);
    old.exec(`
      CREATE TABLE stream (id TEXT NOT NULL, last_sequence INTEGER NOT NULL, acknowledged_through INTEGER NOT NULL,
        sent_through INTEGER NOT NULL);
      CREATE TABLE record (sequence INTEGER PRIMARY KEY, payload BLOB NOT NULL);
      CREATE TABLE open_sighting (sighting_id TEXT PRIMARY KEY, payload BLOB NOT NULL);
      INSERT INTO stream VALUES ('018f3c1e-0000-7000-8000-000000000000', 7, 6, 6);
      INSERT INTO record VALUES (7, x'61');
      INSERT INTO open_sighting VALUES ('018f3c1e-0000-7000-8000-000000000001', x'61');
      PRAGMA user_version = 1`);
    old.close();
    const outbox = openOutbox();
    const sightingId = '018f3c1e-0000-7000-8000-000000000001' as SightingId;
    expect(await outbox.append(record('b', { sightingId }))).toBe(8);
    expect(texts(outbox)).toEqual(['7 a', '8 b']);
    expect(outbox.streamId).toBe('018f3c1e-0000-7000-8000-000000000000');
  });
});

describe('an outbox in trouble', () => {
  it.each([
    ['is no database', () => writeFileSync(path, 'not a database '.repeat(1000))],
    ['was cut short', () => truncateSync(path, 9000)],
  ])('moves a file aside that %s, and begins another stream', async (_, damage) => {
    const first = openOutbox();
    const stream = first.streamId;
    for (let count = 0; count < 50; count += 1) void first.append(record('x'.repeat(700)));
    await first.append(record());
    await first.close();
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
    damage();
    const second = openOutbox();
    expect(second.streamId).not.toBe(stream);
    expect(await second.append(record('fresh'))).toBe(1);
    expect(log.codes).toEqual(['OUTBOX.CORRUPT']);
    expect(readdirSync(directory).some((name) => name.startsWith('outbox.db.corrupt-'))).toBe(true);
  });

  it('says when its folder cannot be used', () => {
    writeFileSync(join(directory, 'file'), '');
    path = join(directory, 'file', 'outbox.db');
    expect(() => openOutbox()).toThrow();
    path = directory;
    expect(() => openOutbox()).toThrow(expect.objectContaining({ code: 'OUTBOX.UNAVAILABLE' }) as AppError);
  });
});

describe('an outbox whose process is killed', () => {
  it('holds, each time, all that it said was stored, in order and without a sequence used twice', async () => {
    const writer = fileURLToPath(new URL('../../dist/testing/outbox-writer.js', import.meta.url));
    const known = new Map<number, string>();
    let streamId: string | undefined;
    for (let round = 0; round < 6; round += 1) {
      const child = spawn(process.execPath, [writer, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      const exited = once(child, 'exit');
      const lines = createInterface({ input: child.stdout });
      let count = 0;
      for await (const line of lines) {
        const [sequence = '', text = ''] = line.split(' ');
        expect(known.has(Number(sequence))).toBe(false);
        known.set(Number(sequence), text);
        // At another moment of the writer's cycle each time; what it still says is counted, too.
        if ((count += 1) === 20 + 13 * round) child.kill('SIGKILL');
      }
      await exited;
      const store = openOutboxStore({ path, maximumBytes: 64 * MIB, clock: systemClock, log });
      streamId ??= store.streamId;
      expect(store.streamId).toBe(streamId);
      const stored = store.pending(0, 100_000);
      store.close();
      const last = Math.max(...known.keys());
      const sequences = stored.map(({ sequence }) => sequence);
      expect(sequences).toEqual(sequences.map((_, index) => (sequences[0] ?? 0) + index));
      expect(sequences.at(-1)).toBeGreaterThanOrEqual(last);
      for (const { sequence, payload } of stored) {
        const said = known.get(sequence);
        if (said !== undefined) expect(Buffer.from(payload).toString()).toContain(said);
        // What was stored without having been said counts as used, too.
        known.set(sequence, Buffer.from(payload).toString().split(' ')[0] ?? '');
      }
    }
    expect(log.codes).toEqual([]);
  });
});
