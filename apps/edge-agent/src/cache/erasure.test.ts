import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { AppError } from '@sightline/kernel';
import { createSealer } from '@sightline/template-protection';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { CacheBox } from '../testing/cache-box.js';
import { belonging, cachedPerson, faceTemplate, personId } from '../testing/cache-fixtures.js';
import { TestLog } from '../testing/test-log.js';
import { CacheContent, type OpenCacheStore } from './cache-content.js';
import { emptyHead, type CacheHead } from './cache-head.js';
import { CacheStore } from './cache-store.js';

let box: CacheBox;
beforeEach(async () => {
  box = await CacheBox.open();
});
afterEach(() => box.close());

type Body = Parameters<CacheBox['signer']['delta']>[0];
const tell = (body: Body) => box.cache.take(box.signer.delta({ cacheId: 'one', ...body }));
const lease = { issuedAtMs: 1n, expiresAtMs: 10n ** 15n };
const fill = () => tell({ toVersion: 1n, lease, people: [1, 2, 3].map((number) => cachedPerson(number)) });
const erase = (number: number, erasureId: string) => [{ personId: personId(number), erasureId }];

/** The sealed rows, by what they are: each is found again in the file's bytes. */
function sealedRows(): readonly Buffer[] {
  const database = new Database(join(box.directory, 'cache.db'), { readonly: true });
  const rows = database.prepare('SELECT sealed FROM person').all([]) as { readonly sealed: ArrayBuffer }[];
  database.close();
  return rows.map(({ sealed }) => Buffer.from(sealed));
}

describe('the file of the cache', () => {
  it('tells nothing of anybody: no id, no group, no template', () => {
    tell({ toVersion: 1n, people: [cachedPerson(1, { groups: ['board of directors'] })] });
    const bytes = box.bytes();
    expect(bytes.length).toBeGreaterThan(4096);
    expect(bytes.includes(Buffer.from(sealedRows()[0]!).subarray(0, 64))).toBe(true);
    expect(bytes.includes(personId(1))).toBe(false);
    expect(bytes.includes('board')).toBe(false);
    expect(bytes.includes('fake-space')).toBe(false);
    expect(bytes.includes(Buffer.from(faceTemplate(1, 1).data))).toBe(false);
    expect(statSync(join(box.directory, 'cache.key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(box.directory, 'cache.db')).mode & 0o077).toBe(0);
  });

  it('holds nothing any more of whom the cloud erased, once the receipt says so', () => {
    fill();
    const before = sealedRows();
    const receipt = tell({ fromVersion: 1n, toVersion: 2n, tombstones: erase(2, 'e-2') });
    expect(receipt).toMatchObject({ version: 2n, erasureIds: ['e-2'], error: '' });
    const after = sealedRows();
    const gone = before.filter((row) => !after.some((other) => other.equals(row)));
    expect(gone).toHaveLength(1);
    // Not one piece of 16 bytes of it, wherever it would have been cut.
    const bytes = box.bytes();
    for (let at = 0; at + 16 <= gone[0]!.length; at += 1) {
      expect(bytes.includes(gone[0]!.subarray(at, at + 16))).toBe(false);
    }
  });

  it.each([
    ['is no database', (path: string) => writeFileSync(path, 'not a database '.repeat(1000))],
    ['was cut short', (path: string) => truncateSync(path, 5000)],
    ['lost its key', (path: string) => rmSync(path.replace('.db', '.key'))],
    ['lost a row', (path: string) => tamper(path, 'DELETE FROM person WHERE rowid = 2')],
    [
      'has a row twice',
      (path: string) => tamper(path, "INSERT INTO person SELECT x'00', sealed, 0 FROM person LIMIT 1"),
    ],
    [
      'had rows exchanged',
      (path: string) => tamper(path, 'UPDATE person SET sealed = (SELECT sealed FROM person WHERE rowid = 1)'),
    ],
    ['was written by another version', (path: string) => tamper(path, 'PRAGMA user_version = 9')],
  ])('is thrown away when it %s, and the cloud fills it anew', async (_, damage) => {
    fill();
    box.cache.close();
    damage(join(box.directory, 'cache.db'));
    await box.restart();
    expect(box.cache.holding).toMatchObject({ cacheId: '', version: 0 });
    expect(box.see(1)).toBeUndefined();
    expect(box.log.codes).toEqual(['CACHE.CORRUPT']);
    expect(fill().error).toBe('');
    expect(box.see(1)).toBeDefined();
  });
});

function tamper(path: string, sql: string): void {
  const database = new Database(path);
  database.exec(sql);
  database.close();
}

describe('an erasure', () => {
  it('is answered each time it arrives, and when the receipt was lost with the connection', async () => {
    fill();
    const delta = box.signer.delta({ cacheId: 'one', fromVersion: 1n, toVersion: 2n, tombstones: erase(2, 'e-2') });
    const receipt = box.cache.take(delta);
    expect(box.cache.take(delta)).toMatchObject({ version: 2n, erasureIds: ['e-2'], error: '' });
    await box.restart();
    expect(box.cache.pendingReceipt()).toMatchObject({ cacheId: 'one', version: 2n, erasureIds: ['e-2'] });
    box.cache.receipted(receipt);
    expect(box.cache.pendingReceipt()).toBeUndefined();
    expect(box.cache.take(delta).erasureIds).toEqual(['e-2']);
    expect(box.cache.pendingReceipt()).toBeUndefined();
  });

  it('is carried out whatever else is wrong with its delta, but not when that is unsigned or another box’s', () => {
    fill();
    const foreign = cachedPerson(4, { where: { ...belonging, dimension: 16 } });
    const inGap = tell({ fromVersion: 5n, toVersion: 6n, tombstones: erase(1, 'e-1') });
    expect(inGap).toMatchObject({ version: 1n, error: 'CACHE.GAP', erasureIds: ['e-1'] });
    const inForeign = tell({ fromVersion: 1n, toVersion: 2n, people: [foreign], tombstones: erase(2, 'e-2') });
    expect(inForeign).toMatchObject({ version: 1n, error: 'CACHE.FOREIGN_SPACE', erasureIds: ['e-2'] });
    const elsewhere = tell({ deviceId: 'door-2', fromVersion: 1n, toVersion: 2n, tombstones: erase(3, 'e-3') });
    expect(elsewhere).toMatchObject({ error: 'CACHE.FOREIGN_DEVICE', erasureIds: [] });
    expect(
      [1, 2, 3].map((number) => box.cache.groupsOf(personId(number)).length + Number(box.see(number)?.personId !== '')),
    ).toEqual([0, 0, 1]);
  });

  it('is for good: no late message, no other cache and no restart brings somebody back', async () => {
    fill();
    tell({ fromVersion: 5n, toVersion: 6n, tombstones: erase(1, 'e-1') });
    await box.restart();
    // Made before the erasure, and late.
    tell({ fromVersion: 1n, toVersion: 2n, people: [cachedPerson(1, { shots: [2] }), cachedPerson(4)] });
    expect(box.cache.holding.version).toBe(2);
    expect(box.cache.status.people).toBe(3);
    tell({ cacheId: 'two', toVersion: 1n, lease, people: [cachedPerson(1), cachedPerson(2)] });
    expect(box.cache.status.people).toBe(1);
    // Erased and sent by one delta: erased.
    tell({ cacheId: 'two', fromVersion: 1n, toVersion: 2n, people: [cachedPerson(2)], tombstones: erase(2, 'e-2') });
    expect(box.cache.status.people).toBe(0);
  });
});

describe('a disk that fails', () => {
  const sealer = createSealer(new Uint8Array(32), 'test');
  const head: CacheHead = { ...emptyHead, cacheId: 'one', version: 1, belonging };
  const nothing = { head, dropsPeople: false, removed: [], erasures: [], put: [] };

  /** Content whose store fails at a method as long as `fails` says so. */
  function failing(code: 'CACHE.DISK_FULL' | 'CACHE.UNAVAILABLE') {
    const path = join(box.directory, 'failing.db');
    const state = { fails: false, path };
    const openStore = (file: string): OpenCacheStore => {
      const store = new CacheStore(file, sealer);
      const commit = store.commit.bind(store);
      store.commit = (change) => {
        if (state.fails) throw new AppError(code, 'the disk fails');
        commit(change);
      };
      return store;
    };
    const content = new CacheContent({ path, openStore, log: new TestLog() });
    content.open();
    content.apply({ ...nothing, put: [cachedPerson(1), cachedPerson(2)] });
    state.fails = true;
    return { content, state };
  }

  it('leaves what was held when people could not be added', () => {
    const { content } = failing('CACHE.DISK_FULL');
    expect(() => content.apply({ ...nothing, head: { ...head, version: 2 }, put: [cachedPerson(3)] })).toThrow(
      AppError,
    );
    expect(content.head).toEqual(head);
    expect(content.people?.people).toBe(2);
    content.close();
  });

  it('lets the whole cache go when somebody could not be erased', () => {
    const { content, state } = failing('CACHE.UNAVAILABLE');
    const erasure = { personId: personId(1), erasureId: 'e' };
    expect(content.isGone).toBe(false);
    expect(() => content.apply({ ...nothing, removed: [erasure.personId], erasures: [erasure] })).toThrow(AppError);
    expect(content.isGone).toBe(true);
    expect(content.people).toBeUndefined();
    expect(readFileSync(state.path).length).toBeGreaterThan(0);
    state.fails = false;
    content.apply({ ...nothing, put: [cachedPerson(2)] });
    expect(content.people?.people).toBe(1);
    content.close();
  });
});
