import { describe, expect, it } from 'vitest';

import { windowFor } from './window.js';

describe('the window', () => {
  it('is narrowed step by step as the backlog grows, and never closes', () => {
    expect([0, 63, 64, 127, 128, 191, 192, 10_000].map(windowFor)).toEqual([4, 4, 3, 3, 2, 2, 1, 1]);
  });
});
