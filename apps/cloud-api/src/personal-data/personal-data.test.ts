import type { TenantId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { BlindIndex, wordsOf } from './blind-index.js';

const [a, b] = ['a' as TenantId, 'b' as TenantId];
const index = new BlindIndex(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2));

describe('a blind index', () => {
  it('finds the same external id again, however its letters are composed', () => {
    expect(index.externalId(a, 'Zoe\u0308-1')).toEqual(index.externalId(a, 'Zo\u00eb-1'));
    expect(index.externalId(a, 'x')).not.toEqual(index.externalId(a, 'X'));
    expect(index.externalId(a, 'x')).toHaveLength(32);
  });

  it('is another for each tenant, key-encryption key and key store', () => {
    const values = [
      index.externalId(a, 'x'),
      index.externalId(b, 'x'),
      new BlindIndex(new Uint8Array(32).fill(3), new Uint8Array(32).fill(2)).externalId(a, 'x'),
      new BlindIndex(new Uint8Array(32).fill(1), new Uint8Array(32).fill(3)).externalId(a, 'x'),
    ];
    expect(new Set(values.map((value) => Buffer.from(value).toString('hex'))).size).toBe(4);
  });

  it('keeps 16 bits of each word, without order, case, accents or repeats', () => {
    expect(index.words(a, 'Zoë  Müller-Meier')).toEqual(index.words(a, 'MEIER, zoe muller muller'));
    expect(index.words(a, 'Ada Lovelace')).toEqual(expect.arrayContaining([...index.words(a, 'lovelace')]));
    for (const bucket of index.words(a, '李 小龙 Ada')) expect(bucket).toBeLessThan(2 ** 16);
  });

  it.each([
    ['Anne-Marie O’Neil', ['anne', 'marie', 'o', 'neil']],
    ['  ', []],
    ['ÅNGSTRÖM', ['angstrom']],
  ])('knows the words of %j', (text, words) => {
    expect(wordsOf(text)).toEqual(words);
  });
});
