import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { isSha256, isSlug, isUuid, newPersonId, newSightingId, newStreamId, newTemplateId } from './ids.js';

describe('new ids', () => {
  it('are distinct UUIDs that sort by the time of their making', () => {
    const ids = Array.from({ length: 1000 }, () => newSightingId());
    expect(new Set(ids).size).toBe(1000);
    expect(ids.every(isUuid)).toBe(true);
    expect([...ids].sort()).toEqual(ids);
    expect([newPersonId(), newTemplateId(), newStreamId()].every(isUuid)).toBe(true);
  });
});

describe('isUuid', () => {
  it.each(['', 'x', '0190A5C8-0000-7000-8000-000000000001', '0190a5c8-0000-0000-8000-000000000001'])(
    'refuses %j',
    (text) => expect(isUuid(text)).toBe(false),
  );
});

describe('isSlug', () => {
  it.each(['a', '7', 'camera-1', 'a--b', 'a'.repeat(64)])('accepts %j', (text) => expect(isSlug(text)).toBe(true));

  it.each(['', '-a', 'a-', 'A', 'ä', 'a b', 'a/b', 'a+', '#', '..', 'a_b', 'a\n', 'a'.repeat(65)])(
    'refuses %j',
    (text) => expect(isSlug(text)).toBe(false),
  );

  it('never lets through what has a meaning in an MQTT topic or a path', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (isSlug(text)) expect(text).not.toMatch(/[^a-z0-9-]/);
      }),
    );
  });
});

describe('isSha256', () => {
  it('accepts 64 lower-case hexadecimal characters alone', () => {
    expect(isSha256('0af1'.repeat(16))).toBe(true);
    expect(['', '0af1', '0AF1'.repeat(16), 'g'.repeat(64), '0'.repeat(65)].some(isSha256)).toBe(false);
  });
});
