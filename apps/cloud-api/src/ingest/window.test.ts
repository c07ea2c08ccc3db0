import { describe, expect, it } from 'vitest';

import { windowFor } from './window.js';

describe('the window', () => {
  it('is narrowed step by step as batches take longer, and never closes', () => {
    const expected = [4, 4, 3, 3, 2, 2, 1, 1];
    expect([0, 999, 1000, 1999, 2000, 2999, 3000, 3_600_000].map(windowFor)).toEqual(expected);
  });
});
