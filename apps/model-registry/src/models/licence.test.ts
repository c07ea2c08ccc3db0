import { describe, expect, it } from 'vitest';

import { assertLicensed, useAllowedBy } from './licence.js';

describe('a licence', () => {
  it.each([
    ['MIT', 'any'],
    ['apache-2.0', 'any'],
    ['GPL-3.0-or-later', 'any'],
    ['Apache-2.0 WITH LLVM-exception', 'any'],
    ['MIT AND CC-BY-4.0', 'any'],
    ['MIT OR CC-BY-NC-4.0', 'any'],
    ['MIT AND CC-BY-NC-4.0', 'non-commercial'],
    ['CC-BY-NC-SA-4.0', 'non-commercial'],
    ['LicenseRef-InsightFace-non-commercial', 'non-commercial'],
    ['for academic research only', 'non-commercial'],
    ['LicenseRef-ours', 'unknown'],
    ['(MIT)', 'any'],
    ['', 'unknown'],
  ])('%s allows %s use', (licence, use) => {
    expect(useAllowedBy(licence)).toBe(use);
  });

  it('is asked about for gain alone, and what nobody can read is refused', () => {
    const models = [
      { name: 'A', licence: 'MIT' },
      { name: 'B', licence: 'mine' },
    ];
    expect(() => assertLicensed(models, { commercial: false })).not.toThrow();
    expect(() => assertLicensed(models, { commercial: true })).toThrow(/"B", mine, is not known to allow/);
  });
});
