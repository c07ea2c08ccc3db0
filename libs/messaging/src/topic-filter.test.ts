import { describe, expect, it } from 'vitest';

import { isTopicName, matchesFilter } from './topic-filter.js';

describe('matchesFilter', () => {
  it.each([
    ['a/b', 'a/b', true],
    ['a/b', 'a/b/c', false],
    ['a/b/c', 'a/b', false],
    ['a/+/c', 'a/b/c', true],
    ['a/+', 'a', false],
    ['+', 'a', true],
    ['a/+', 'a/', true],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['a/#', 'b/a', false],
    ['#', 'a/b', true],
    ['#', '$SYS/load', false],
    ['+/load', '$SYS/load', false],
    ['$SYS/#', '$SYS/load', true],
  ])('answers for filter %s and topic %s: %s', (filter, topic, expected) => {
    expect(matchesFilter(filter, topic)).toBe(expected);
  });
});

describe('isTopicName', () => {
  it('refuses what is empty or has a wildcard or NUL', () => {
    expect(['a/b', '', 'a/+', '#', 'a\0b'].map(isTopicName)).toEqual([true, false, false, false, false]);
  });
});
