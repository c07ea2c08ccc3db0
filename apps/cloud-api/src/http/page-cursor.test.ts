import { isUuid } from '@sightline/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeCursor, encodeCursor, toPage } from './page-cursor.js';

const time = new Date('2026-01-02T03:04:05.678Z');

describe('a page', () => {
  const item = (id: string) => id;
  const cursor = (id: string) => ({ time, id });

  it('has a next cursor only when there is more', () => {
    expect(toPage(['c', 'b', 'a'], 2, { item, cursor })).toEqual({
      items: ['c', 'b'],
      nextCursor: encodeCursor({ time, id: 'b' }),
    });
    expect(toPage(['c', 'b'], 2, { item, cursor })).toEqual({ items: ['c', 'b'], nextCursor: null });
    expect(toPage([], 2, { item, cursor })).toEqual({ items: [], nextCursor: null });
  });

  it('is found again by its cursor', () => {
    expect(decodeCursor(encodeCursor({ time, id: 'x' }), () => true)).toEqual({ time, id: 'x' });
  });

  it('refuses a cursor of another list', () => {
    expect(() => decodeCursor(encodeCursor({ time, id: 'x' }), isUuid)).toThrow(
      expect.objectContaining({ code: 'REQUEST.INVALID' }),
    );
  });

  it('refuses every cursor that is not ours, with a code', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => decodeCursor(text, () => true)).toThrow(expect.objectContaining({ code: 'REQUEST.INVALID' }));
      }),
    );
  });
});
