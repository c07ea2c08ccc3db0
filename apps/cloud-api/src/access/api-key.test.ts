import { bearerToken } from '@sightline/rest-server';
import { describe, expect, it } from 'vitest';

import { hashApiKey, isMistyped, newApiKey } from './api-key.js';

describe('an API key of ours', () => {
  it('tells a typo from a key, whatever character it is in', () => {
    const key = newApiKey();
    expect(key).toMatch(/^slk_[\w-]{43}[0-9a-f]{8}$/);
    expect(isMistyped(key)).toBe(false);
    for (let at = 4; at < key.length; at += 1) {
      const other = key[at] === '0' ? '1' : '0';
      expect([at, isMistyped(key.slice(0, at) + other + key.slice(at + 1))]).toEqual([at, true]);
    }
    expect(isMistyped(key.slice(0, -1))).toBe(true);
    expect(isMistyped(`${key}0`)).toBe(true);
  });

  it('is not asked of a key that somebody else made up', () => {
    expect(isMistyped('a-key-from-the-environment-0123')).toBe(false);
  });

  it('is new each time, and known by its first characters', () => {
    const [one, two] = [newApiKey(), newApiKey()];
    expect(one).not.toBe(two);
    expect(hashApiKey(one).prefix).toBe(one.slice(0, 10));
  });
});

describe('a bearer token', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    [`Bearer ${'x'.repeat(8192)}`, 'x'.repeat(8192)],
    [`Bearer ${'x'.repeat(8193)}`, undefined],
    ['Bearer a b', undefined],
    ['Basic abc', undefined],
    ['Bearer ', undefined],
    [undefined, undefined],
  ])('%.20s', (header, token) => expect(bearerToken(header)).toBe(token));
});
