import type { PersonId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { decideOpenSet } from './open-set.js';

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
});
