import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { silentLogger } from '@sightline/kernel';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { TestLog } from '../testing/test-log.js';
import { ActionJournal } from './action-journal.js';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sightline-journal-'));
  path = join(directory, 'actions.db');
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (log = silentLogger): ActionJournal => new ActionJournal({ path, log });

describe('the journal of actions', () => {
  it('lets a rule start once for a sighting, in this run and in later ones', async () => {
    const journal = open();
    expect(await Promise.all(['door', 'bell', 'door'].map((rule) => journal.begin(rule, 's1')))).toEqual([
      true,
      true,
      false,
    ]);
    expect(await journal.begin('door', 's2')).toBe(true);
    journal.end('door', 's1', 'succeeded');
    journal.close();
    const next = open();
    expect(await next.begin('door', 's1')).toBe(false);
    next.close();
  });

  it('tells of actions whose end it does not know, once', async () => {
    const journal = open();
    await journal.begin('door', 's1');
    await journal.begin('door', 's2');
    journal.end('door', 's1', 'succeeded');
    // It was killed: what it had committed is there, without a word of goodbye.
    await journal.begin('door', 's3');
    const log = new TestLog();
    const next = open(log);
    expect(next.interrupted).toBe(2);
    expect(log.codes).toEqual(['ACTION.INTERRUPTED']);
    expect(await next.begin('door', 's3')).toBe(false);
    next.close();
    const last = open();
    expect(last.interrupted).toBe(0);
    last.close();
  });

  it('is the owner’s alone, and grows no further than its entries need', async () => {
    const journal = open();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const sightings = Array.from(
      { length: 4000 },
      (_, index) => `0190b5f0-0000-7000-8000-${String(index).padStart(12, '0')}`,
    );
    await Promise.all(sightings.map((sightingId) => journal.begin('door', sightingId)));
    await journal.begin('door', 'last');
    expect(await journal.begin('door', sightings[3000]!)).toBe(false);
    expect(await journal.begin('door', sightings[0]!)).toBe(true);
    journal.close();
    expect(statSync(path).size).toBeLessThan(2 * 1024 * 1024);
  });

  it('has its room before it needs it: a disk that fills up later stops no action', async () => {
    const journal = open();
    const observer = new Database(path);
    const pages = (): unknown => Object.values(observer.prepare('PRAGMA page_count').get([]) as object)[0];
    const before = pages();
    for (let index = 0; index < 3000; index += 1) void journal.begin('door', `sighting ${index}`);
    expect(await journal.begin('door', 'the last one')).toBe(true);
    expect(pages()).toBe(before);
    observer.close();
    journal.close();
  });

  it('begins anew when its file is damaged', async () => {
    open().close();
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
    writeFileSync(path, Buffer.alloc(8192, 'garbage'));
    const log = new TestLog();
    const journal = open(log);
    expect(log.codes).toEqual(['ACTION.JOURNAL_CORRUPT']);
    expect(await journal.begin('door', 's1')).toBe(true);
    journal.close();
    expect(readFileSync(path).subarray(0, 6).toString()).toBe('SQLite');
  });

  it('refuses when it cannot write: at most once has priority', async () => {
    const journal = open();
    const other = new Database(path);
    other.exec('DROP TABLE action');
    other.close();
    await expect(journal.begin('door', 's1')).rejects.toMatchObject({ code: 'ACTION.JOURNAL_UNAVAILABLE' });
    journal.close();
  });

  it('lets nothing start while it cannot be opened, and goes on when it can', async () => {
    mkdirSync(path);
    const log = new TestLog();
    const journal = open(log);
    expect(log.codes).toEqual(['ACTION.JOURNAL_UNAVAILABLE']);
    await expect(journal.begin('door', 's1')).rejects.toMatchObject({ code: 'ACTION.JOURNAL_UNAVAILABLE' });
    rmSync(path, { recursive: true });
    expect(await journal.begin('door', 's1')).toBe(true);
    journal.close();
  });

  it('does not read the file of a later version', async () => {
    open().close();
    const database = new Database(path);
    database.exec('PRAGMA user_version = 7');
    database.close();
    const journal = open();
    await expect(journal.begin('door', 's1')).rejects.toMatchObject({ code: 'ACTION.JOURNAL_UNKNOWN_FORMAT' });
    journal.close();
  });
});
