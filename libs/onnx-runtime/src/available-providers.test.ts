import { describe, expect, it } from 'vitest';

import { availableProviders } from './available-providers.js';

describe('the available execution providers', () => {
  it('always include the CPU', () => {
    expect(availableProviders()).toContain('cpu');
  });
});
