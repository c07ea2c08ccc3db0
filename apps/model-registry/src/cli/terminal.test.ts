import { describe, expect, it } from 'vitest';

import { endProgress, progressBar, showProgress, table } from './terminal.js';

describe('a terminal', () => {
  it('shows how far work is in one line, and nothing where nobody looks on', () => {
    expect(progressBar(0.5, 'rewriting')).toBe(`${'█'.repeat(12)}${'░'.repeat(12)}  50 %  rewriting`);
    const written: string[] = [];
    const terminal = { out: () => undefined, err: (text: string) => void written.push(text) };
    showProgress({ ...terminal, isInteractive: false }, 0.5, 'x');
    endProgress({ ...terminal, isInteractive: false });
    expect(written).toEqual([]);
    showProgress({ ...terminal, isInteractive: true }, 2, 'x');
    expect(written[0]).toContain('█'.repeat(24));
  });

  it('has columns as wide as what is in them', () => {
    expect(table(['id', 'name'], [['abc', 'd']])).toBe('id   name\nabc  d');
  });
});
