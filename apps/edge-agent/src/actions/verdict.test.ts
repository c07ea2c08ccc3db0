import { describe, expect, it } from 'vitest';

import { actionRules, ada, decision } from '../testing/action-stage.js';
import type { Decision } from './decision.js';
import { verdictOf, type Verdict } from './verdict.js';

const time = { wallMs: Date.UTC(2026, 0, 1), isTrusted: true };

function verdict(when: object, fields: Partial<Decision> = {}): Verdict {
  const [rule] = actionRules({ when });
  return verdictOf(rule!, decision(fields), time);
}

const unknown = { outcome: 'unknown', personId: undefined } as const;

describe('a rule fires', () => {
  it('for the decision that it names', () => {
    expect(verdict({ decision: 'identified' })).toBe('fires');
    expect(verdict({ decision: 'identified' }, unknown)).toBe('other');
    expect(verdict({ decision: 'any' }, unknown)).toBe('fires');
    expect(verdict({ decision: 'unknown' })).toBe('other');
  });

  it('for unknown people by the cloud’s word alone, unless it says otherwise: a cache does not know everybody', () => {
    expect(verdict({ decision: 'unknown' }, unknown)).toBe('other');
    expect(verdict({ decision: 'unknown' }, { ...unknown, source: 'cloud' })).toBe('fires');
    expect(verdict({ decision: 'unknown', source: 'either' }, unknown)).toBe('fires');
    expect(verdict({ decision: 'identified', source: 'cloud' })).toBe('other');
    expect(verdict({ decision: 'identified', source: 'local' })).toBe('fires');
  });

  it('for its cameras, people and groups', () => {
    expect(verdict({ decision: 'any', cameras: ['yard'] })).toBe('other');
    expect(verdict({ decision: 'any', cameras: ['yard', 'door'] })).toBe('fires');
    expect(verdict({ decision: 'any', people: [ada] })).toBe('fires');
    expect(verdict({ decision: 'any', people: [ada] }, unknown)).toBe('other');
    expect(verdict({ decision: 'any', groups: ['banned'] }, { groups: ['staff', 'banned'] })).toBe('fires');
    expect(verdict({ decision: 'any', groups: ['banned'] }, { groups: ['staff'] })).toBe('other');
  });

  it('when the face is good enough and looks alive, and nobody having looked is not enough', () => {
    const alive = { decision: 'any', presentationAttack: { minimumLiveScore: 0.9 } };
    expect(verdict(alive)).toBe('fires');
    expect(verdict(alive, { liveScore: 0.89 })).toBe('other');
    expect(verdict(alive, { liveScore: undefined })).toBe('other');
    expect(verdict({ decision: 'any', presentationAttack: { minimumLiveScore: 0 } }, { liveScore: undefined })).toBe(
      'other',
    );
    expect(verdict({ decision: 'any', minimumQuality: 0.8 })).toBe('other');
    expect(verdict({ decision: 'any', minimumQuality: 0.75 })).toBe('fires');
  });
});
