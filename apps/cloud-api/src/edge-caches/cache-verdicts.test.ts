import { describe, expect, it } from 'vitest';

import { judgeBirth, judgeReceipt, type BornCache, type KnownCache } from './cache-verdicts.js';

const known: KnownCache = {
  ...{ cacheId: 'c1', modelSpace: 'space', keyId: 'key', sentVersion: 9, confirmedVersion: 7 },
  ...{ attempts: 0, correlationId: 'last' },
};
const born: BornCache = { cacheId: 'c1', version: 8, maximumTemplates: 100, modelSpace: 'space', keyId: 'key' };
const receipt = { cacheId: 'c1', version: 8, correlationId: 'last', error: '' };
const gap = { ...receipt, version: 7, error: 'CACHE.GAP' };

describe('at a birth a cache', () => {
  it.each<[string, Partial<BornCache>, object]>([
    ['goes on from what the box holds', {}, { kind: 'resume', version: 8 }],
    ['goes on when the box holds all', { version: 9 }, { kind: 'resume', version: 9 }],
    ['begins anew when the box holds less than it had confirmed', { version: 6 }, { kind: 'begin' }],
    ['begins anew when the box holds more than it was sent', { version: 10 }, { kind: 'begin' }],
    ['begins anew when the box has lost it', { cacheId: '', version: 0 }, { kind: 'begin' }],
    ['begins anew in another model space', { modelSpace: 'next' }, { kind: 'begin' }],
    ['begins anew under another template key', { keyId: 'next' }, { kind: 'begin' }],
    ['is none where the box keeps none', { maximumTemplates: 0 }, { kind: 'none' }],
    ['is left alone while the box runs nothing', { modelSpace: undefined }, { kind: 'none' }],
  ])('%s', (_, changes, verdict) => {
    expect(judgeBirth(known, { ...born, ...changes })).toEqual(verdict);
  });

  it('of a box that was never heard of begins', () => {
    expect(judgeBirth(undefined, { ...born, cacheId: '', version: 0 })).toEqual({ kind: 'begin' });
  });

  it('of which nothing has arrived yet is sent again as it is', () => {
    const unconfirmed = { ...known, confirmedVersion: 0 };
    for (const cacheId of ['', 'former']) {
      expect(judgeBirth(unconfirmed, { ...born, cacheId, version: 3 })).toEqual({ kind: 'resume', version: 0 });
    }
  });
});

describe('by a receipt a cache', () => {
  it.each<[string, Partial<KnownCache>, Partial<typeof receipt>, object]>([
    ['is confirmed', {}, {}, { kind: 'held', version: 8, again: false }],
    [
      'is confirmed also by a refusal of what followed',
      {},
      { error: 'CACHE.FULL' },
      { kind: 'held', version: 8, again: false },
    ],
    ['is not set back by one that is late', {}, { version: 6 }, { kind: 'old' }],
    ['begins anew when it says more than was sent', {}, { version: 10 }, { kind: 'begin' }],
    ['is sent again from a gap', {}, gap, { kind: 'held', version: 7, again: true }],
    [
      'is sent again once for messages refused together',
      {},
      { ...gap, correlationId: 'before' },
      { kind: 'held', version: 7, again: false },
    ],
    ['begins anew when a gap does not fill', { attempts: 3 }, gap, { kind: 'begin' }],
    [
      'goes on when a gap fills slowly',
      { attempts: 3 },
      { ...gap, version: 8 },
      { kind: 'held', version: 8, again: true },
    ],
    ['begins anew below what was confirmed', {}, { ...gap, version: 3 }, { kind: 'begin' }],
    ['does not mind a receipt of a former one', {}, { cacheId: 'former' }, { kind: 'old' }],
    ['begins anew when the box has a former one again', {}, { ...gap, cacheId: 'former' }, { kind: 'begin' }],
    [
      'is sent again when its beginning was lost',
      { confirmedVersion: 0 },
      { ...gap, cacheId: 'former' },
      { kind: 'held', version: 0, again: true },
    ],
    [
      'begins anew when its beginning is lost again and again',
      { confirmedVersion: 0, attempts: 3 },
      { ...gap, cacheId: '' },
      { kind: 'begin' },
    ],
  ])('%s', (_, state, changes, verdict) => {
    expect(judgeReceipt({ ...known, ...state }, { ...receipt, ...changes })).toEqual(verdict);
  });
});
