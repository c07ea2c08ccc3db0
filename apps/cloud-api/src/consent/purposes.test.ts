import { rest } from '@sightline/contracts';
import { describe, expect, it } from 'vitest';

import { isPermitted, permissionOf, type ConsentRecord } from './purposes.js';

const now = new Date('2026-05-01T12:00:00Z');
const at = (days: number): Date => new Date(now.getTime() + days * 86_400_000);
const record = (changes: Partial<ConsentRecord>): ConsentRecord => ({
  ...{ purpose: 'access', givenAt: at(-10), expiresAt: null, withdrawnAt: null },
  ...changes,
});
const ALL = [...rest.purposes];
const OTHERS = ALL.filter((purpose) => purpose !== 'access');

describe('what somebody may be matched for', () => {
  it.each<[string, readonly ConsentRecord[], readonly rest.Purpose[], readonly rest.Purpose[], Date | null]>([
    ['everything, where nothing is asked for', [], [], ALL, null],
    ['nothing that needs a record, without one', [], ['access', 'photo-search'], ['attendance', 'watch-list'], null],
    ['what a valid record is for', [record({})], ALL, ['access'], null],
    ['not what was withdrawn', [record({ withdrawnAt: at(-1) })], [], OTHERS, null],
    ['not what has expired', [record({ expiresAt: at(-1) })], [], OTHERS, null],
    ['until a record expires', [record({ expiresAt: at(2) })], ['access'], ALL, at(2)],
    ['from when a record is given', [record({ givenAt: at(3) })], ['access'], OTHERS, at(3)],
    [
      'again, by a record after one that ended',
      [record({ withdrawnAt: at(-5) }), record({ givenAt: at(-4) })],
      [],
      ALL,
      null,
    ],
  ])('%s', (_, records, required, permitted, changesAt) => {
    expect(permissionOf(records, required, now)).toEqual({ permitted, changesAt });
  });

  it.each<[rest.DecisionUse, readonly rest.Purpose[], boolean]>([
    ['access', ['access'], true],
    ['access', ['attendance'], false],
    ['general', ['watch-list'], true],
    ['general', ['photo-search'], false],
    ['photo-search', ['photo-search'], true],
  ])('an identification for %s finds somebody with %j: %j', (use, permitted, found) => {
    expect(isPermitted(permitted, use)).toBe(found);
  });
});
