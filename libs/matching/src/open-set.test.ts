import type { PersonId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { decideOpenSet, judgeOpenSet } from './open-set.js';

const person = (name: string): PersonId => name as PersonId;
const operatingPoint = { threshold: 0.4, falseMatchRate: 1e-4 };

describe('decideOpenSet', () => {
  it('identifies the nearest person from the threshold on', () => {
    const candidates = [
      { personId: person('a'), score: 0.2 },
      { personId: person('b'), score: 0.4 },
    ];
    expect(decideOpenSet({ candidates, ...operatingPoint })).toEqual({
      outcome: 'identified',
      personId: 'b',
      score: 0.4,
      ...operatingPoint,
    });
  });

  it('answers "unknown" below the threshold, with the score of the nearest person', () => {
    const candidates = [{ personId: person('a'), score: 0.399_999 }];
    expect(decideOpenSet({ candidates, ...operatingPoint })).toEqual({
      outcome: 'unknown',
      score: 0.399_999,
      ...operatingPoint,
    });
  });

  it('answers "unknown" without a score when the gallery is empty', () => {
    expect(decideOpenSet({ candidates: [], ...operatingPoint })).toEqual({ outcome: 'unknown', ...operatingPoint });
  });

  it('gives a tie to the smaller person id', () => {
    const candidates = ['c', 'a', 'b'].map((name) => ({ personId: person(name), score: 0.5 }));
    expect(decideOpenSet({ candidates, ...operatingPoint })).toMatchObject({ personId: 'a' });
  });

  it('decides nothing about a probe that could not be compared', () => {
    const candidates = [{ personId: person('a'), score: 0.9 }];
    expect(decideOpenSet({ candidates, ...operatingPoint, refusalCode: 'TEMPLATE.FOREIGN_KEY' })).toEqual({
      outcome: 'refused',
      refusalCode: 'TEMPLATE.FOREIGN_KEY',
      ...operatingPoint,
    });
  });

  it('throws on a score or threshold that is no number', () => {
    const invalid = expect.objectContaining({ code: 'TEMPLATE.INVALID' }) as Error;
    const candidates = [{ personId: person('a'), score: NaN }];
    expect(() => decideOpenSet({ candidates, ...operatingPoint })).toThrow(invalid);
    expect(() => decideOpenSet({ candidates: [], ...operatingPoint, threshold: NaN })).toThrow(invalid);
  });

  it('is ambiguous when the second person is closer than the margin, and a tie always', () => {
    const two = (second: number) => [
      { personId: person('b'), score: 0.6 },
      { personId: person('a'), score: second },
    ];
    const decided = (second: number) =>
      decideOpenSet({ candidates: two(second), ...operatingPoint, threshold: 0.59, margin: 0.05 });
    expect(decided(0.56)).toMatchObject({ outcome: 'ambiguous', personIds: ['b', 'a'], score: 0.6 });
    expect(decided(0.6)).toMatchObject({ outcome: 'ambiguous', personIds: ['a', 'b'] });
    expect(decided(0.5)).toMatchObject({ outcome: 'identified', personId: 'b' });
  });

  it('passes somebody over who is refuted by a hard negative, and takes the next', () => {
    const candidates = [
      { personId: person('a'), score: 0.5, negativeScore: 0.71 },
      { personId: person('b'), score: 0.45 },
    ];
    const rules = { margin: 0.1, negativeMargin: 0.2 };
    expect(judgeOpenSet({ candidates, ...operatingPoint, ...rules })).toMatchObject({
      decision: { outcome: 'identified', personId: 'b' },
      candidates: [{ personId: 'a', failed: 'hard-negatives' }, { personId: 'b' }],
    });
    const [refuted] = candidates;
    expect(decideOpenSet({ candidates: refuted ? [refuted] : [], ...operatingPoint, ...rules })).toMatchObject({
      ...{ outcome: 'unknown', score: 0.5 },
    });
  });

  it.each([
    ['SIGHTING.LOW_QUALITY', { minimumQuality: 0.5, quality: 0.49 }],
    ['SIGHTING.LOW_QUALITY', { minimumQuality: 0.5 }],
    ['PRESENTATION.NOT_LIVE', { requiredLiveScore: 0.5, liveScore: 0.49 }],
    ['PRESENTATION.NOT_ASSESSED', { requiredLiveScore: 0.5, liveScore: null }],
    ['TEMPLATE.MISSING', { refusalCode: 'TEMPLATE.MISSING' as const, minimumQuality: 0.5, quality: 0.1 }],
  ])('refuses with %s', (refusalCode, facts) => {
    const candidates = [{ personId: person('a'), score: 0.9 }];
    expect(decideOpenSet({ candidates, ...operatingPoint, ...facts })).toMatchObject({
      outcome: 'refused',
      refusalCode,
    });
  });
});
