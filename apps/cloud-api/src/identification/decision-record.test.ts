import { newPersonId, newTemplateId } from '@sightline/kernel';
import { judgeOpenSet, searchPoint } from '@sightline/matching';
import { describe, expect, it } from 'vitest';

import { DIMENSION, SPACE, VARIANT } from '../testing/fake-release.js';
import { resolveRules, noPolicy } from './decision-policy.js';
import { ambiguousBetween, decisionRecord, ruleResults } from './decision-record.js';

const points = [
  { falseMatchRate: 1e-2, threshold: 0.3 },
  { falseMatchRate: 1e-4, threshold: 0.5 },
];
const target = { falseMatchRate: 1e-4, falsePositiveRate: 0.01 };

function recordOf(scores: readonly number[], templatesSearched: number) {
  const candidates = scores.map((score) => ({ personId: newPersonId(), templateId: newTemplateId(), score }));
  const point = searchPoint(points, target, templatesSearched);
  const judgement = judgeOpenSet({ ...point, candidates, margin: 0.05 });
  const release = {
    version: '1.2.3',
    modelSpace: { id: SPACE, dimension: DIMENSION },
    calibration: { variantDigest: VARIANT, dataSet: 'none', impostorPairs: 1, points },
  };
  const basis = { templatesSearched, site: null, release, probeVariantDigest: VARIANT };
  const record = decisionRecord({ point, rules: resolveRules(noPolicy, {}, { target }), basis, candidates }, judgement);
  return { candidates, judgement, record };
}

describe('what is written down of a decision', () => {
  it('says where the calibration ends', () => {
    expect(recordOf([0.9], 100).record.facts).not.toHaveProperty('limited');
    const { facts } = recordOf([0.9], 10_000).record;
    expect(facts).toMatchObject({ limited: true, n: 10_000, fpir: 0.01, fmr: expect.closeTo(1.005e-6, 8) as number });
  });

  it('holds the people near the bar alone, and their ids a second time, for an erasure to find', () => {
    const { candidates, record } = recordOf([0.9, 0.4, 0.3], 10);
    const near = candidates.slice(0, 2).map(({ personId }) => personId);
    expect(record.candidates?.map(({ p, f }) => [p, f])).toEqual([
      [near[0], undefined],
      [near[1], 't'],
    ]);
    expect(record.candidateIds).toEqual(near);
    expect(JSON.stringify(record.facts)).not.toContain(near[0]);
    expect(recordOf([0.1], 10).record).toMatchObject({ candidates: null, candidateIds: null });
  });

  it('gives back each rule with what it asked and found', () => {
    const { record, judgement } = recordOf([0.62, 0.6], 10);
    expect(ruleResults(record.facts)).toEqual(
      judgement.rules.map(({ rule, verdict, required, found }) => ({
        ...{ rule, verdict, required: required ?? null },
        found: found === undefined ? null : (expect.closeTo(found, 5) as number),
      })),
    );
    expect(ambiguousBetween({ outcome: 'ambiguous', candidates: record.candidates })).toHaveLength(2);
    const [, other] = record.candidates ?? [];
    expect(ambiguousBetween({ outcome: 'ambiguous', candidates: other ? [other] : null })).toEqual([other?.p]);
    expect(ambiguousBetween({ outcome: 'identified', candidates: record.candidates })).toEqual([]);
  });
});
