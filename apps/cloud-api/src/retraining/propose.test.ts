import type { rest } from '@sightline/contracts';
import { describe, expect, it } from 'vitest';

import { propose } from './propose.js';

const rate = (low: number, value: number, high: number, events = 0) => ({
  ...{ low, rate: value, high, events, trials: 1000, effectiveTrials: 100 },
});
const at = (threshold: number, falseMatch: ReturnType<typeof rate>, falseNonMatch: ReturnType<typeof rate>) => ({
  ...{ threshold, falseMatch, falseNonMatch, expectedFalsePositiveRate: 0.01 },
});
const good = rate(0, 5e-4, 9e-4);
const bad = rate(2e-3, 4e-3, 6e-3);
const few = rate(0, 0.01, 0.03, 10);
const many = rate(0.1, 0.2, 0.3, 200);

function figures(changes: Partial<rest.EvaluationFigures>): rest.EvaluationFigures {
  return {
    release: { version: '1.0.0', digest: '', modelSpace: 's', variantDigest: 'ab' },
    labels: {
      ...{ probes: 100, people: 50, identified: 90, others: 10, enrolledThemselves: 0, unusable: 0 },
      ...{ pairs: 5000, comparisons: 10_000, templates: 100, wholeGallery: true },
    },
    target: { falseMatchRate: 1e-3, falsePositiveRate: null, templatesSearched: 100, falseNonMatchRate: 0.05 },
    active: { ...at(0.5, good, few), calibrationOffset: 0.02 },
    calibrated: at(0.495, good, few),
    trueAcceptRates: [],
    missing: null,
    ...changes,
  };
}
const proposed = (changes: Partial<rest.EvaluationFigures>) => propose(figures(changes), 0.02);

describe('an evaluation', () => {
  it('of a release that keeps its targets comes to nothing', () => {
    expect(proposed({})).toEqual([]);
  });

  it('of too few labels says that alone, whatever its figures are', () => {
    const missing = { people: 0, pairs: 12, morePeople: 1 };
    const active = { ...at(0.5, bad, many), calibrationOffset: 0 };
    expect(proposed({ missing, active, calibrated: null })).toEqual([{ kind: 'insufficient-evidence' }]);
  });

  it('raises the threshold where more false matches than the target are certain', () => {
    const calibrated = at(0.56, good, few);
    expect(proposed({ active: { ...at(0.5, bad, few), calibrationOffset: 0.02 }, calibrated })).toEqual([
      { kind: 'recalibration', offsetBefore: 0.02, offsetAfter: 0.08 },
    ]);
    // More than the target were seen, but that may be chance.
    const unsure = rate(5e-4, 2e-3, 4e-3);
    expect(proposed({ active: { ...at(0.5, unsure, few), calibrationOffset: 0 }, calibrated })).toEqual([]);
  });

  it('lowers it where clearly more people are found, and the target is kept', () => {
    const active = { ...at(0.5, good, many), calibrationOffset: 0 };
    const lowered = (offset: number, found: ReturnType<typeof rate>) =>
      proposed({ active, calibrated: at(0.5 - offset, good, found) });
    expect(lowered(0.08, few)).toEqual([{ kind: 'recalibration', offsetBefore: 0, offsetAfter: -0.08 }]);
    expect(lowered(0.005, few)).toEqual([]); // hardly lower
    expect(lowered(0.08, rate(0, 0.04, 0.06, 195))).toEqual([]); // five more
  });

  it('asks for another release where no threshold keeps both targets', () => {
    expect(
      proposed({ active: { ...at(0.5, bad, many), calibrationOffset: 0 }, calibrated: at(0.6, good, many) }),
    ).toEqual([{ kind: 'recalibration', offsetBefore: 0, offsetAfter: 0.1 }, { kind: 'candidate-release' }]);
    expect(proposed({ calibrated: at(0.5, good, rate(0.06, 0.2, 0.3)) })).toEqual([]); // within the margin
  });
});
