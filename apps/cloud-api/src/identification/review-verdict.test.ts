import { newPersonId, newTemplateId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { verdictOn } from './review-verdict.js';

const [ada, bob, eve] = [newPersonId(), newPersonId(), newPersonId()];
const identified = { outcome: 'identified' as const, personId: ada, candidates: null };
const ambiguous = {
  outcome: 'ambiguous' as const,
  personId: null,
  candidates: [ada, bob].map((p) => ({ p, t: newTemplateId(), s: 0.6, f: 'm' as const })),
};
const unknown = { outcome: 'unknown' as const, personId: null, candidates: null };

describe('a verdict', () => {
  it.each([
    ['confirms whom the decision names', identified, { verdict: 'confirmed' }, ada, []],
    ['denies whom the decision names', identified, { verdict: 'not-this-person' }, ada, [ada]],
    ['names another', identified, { verdict: 'is-person', personId: eve }, eve, [ada]],
    ['names the same', identified, { verdict: 'is-person', personId: ada }, ada, []],
    ['chooses one of two', ambiguous, { verdict: 'confirmed', personId: bob }, bob, [ada]],
    ['denies one of two', ambiguous, { verdict: 'not-this-person', personId: ada }, ada, [ada]],
    ['names a third', ambiguous, { verdict: 'is-person', personId: eve }, eve, [ada, bob]],
    ['names a stranger', unknown, { verdict: 'is-person', personId: eve }, eve, []],
  ] as const)('%s', (_, decided, asked, personId, notPersonIds) => {
    expect(verdictOn(decided, asked)).toEqual({ verdict: asked.verdict, personId, notPersonIds });
  });

  it.each([
    ['about nobody', unknown, { verdict: 'not-this-person' }],
    ['about somebody whom the decision does not name', identified, { verdict: 'confirmed', personId: bob }],
    ['that does not say which of two', ambiguous, { verdict: 'confirmed' }],
  ] as const)('%s is refused', (_, decided, asked) => {
    const refused = expect.objectContaining({ code: 'IDENTIFICATION.NOT_REVIEWABLE' }) as Error;
    expect(() => verdictOn(decided, asked)).toThrow(refused);
  });
});
