import { seededIntegers, type PersonId } from '@sightline/kernel';
import { describe, expect, it } from 'vitest';

import { decideOpenSet, judgeOpenSet, type OpenSetInput, type ScoredPerson } from './open-set.js';

const RUNS = 200;
const random = seededIntegers(7);
const cosine = (): number => (random(201) - 100) / 100;
const ids = ['a', 'b', 'c', 'd', 'e', 'f'] as PersonId[];

/** Coarse scores, so that ties and equalities with thresholds and margins are frequent. */
function someInput(): OpenSetInput {
  const candidates = ids.slice(0, random(7)).map((personId): ScoredPerson => ({
    personId,
    score: cosine(),
    ...(random(3) === 0 && { negativeScore: cosine() }),
  }));
  return {
    ...{ threshold: cosine(), falseMatchRate: 1e-4, candidates, quality: random(11) / 10 },
    ...{ margin: random(4) / 10, negativeMargin: random(3) / 10, minimumQuality: random(3) / 5 },
    ...(random(2) === 0 && { liveScore: random(11) / 10 }),
    ...(random(4) === 0 && { requiredLiveScore: 0.5 }),
  };
}

function forAny(property: (input: OpenSetInput) => void): void {
  for (let run = 0; run < RUNS; run += 1) property(someInput());
}

const raised = (input: OpenSetInput, personId: PersonId, by: number): OpenSetInput => ({
  ...input,
  candidates: input.candidates.map((one) => (one.personId === personId ? { ...one, score: one.score + by } : one)),
});

describe('a decision', () => {
  it('does not depend on the order of the candidates', () => {
    forAny((input) => {
      const shuffled = [...input.candidates].sort(() => random(3) - 1);
      expect(judgeOpenSet({ ...input, candidates: shuffled })).toEqual(judgeOpenSet(input));
    });
  });

  it('that names somebody names them too when they score higher', () => {
    forAny((input) => {
      const decision = decideOpenSet(input);
      if (decision.outcome !== 'identified') return;
      expect(decideOpenSet(raised(input, decision.personId, 0.1))).toMatchObject({
        ...{ outcome: 'identified', personId: decision.personId },
      });
    });
  });

  it('names nobody whom a higher threshold, a larger margin or a better quality would not have let be named', () => {
    forAny((input) => {
      const decision = decideOpenSet(input);
      for (const stricter of [
        { threshold: input.threshold + 0.1 },
        { margin: (input.margin ?? 0) + 0.1 },
        { minimumQuality: (input.minimumQuality ?? 0) + 0.2 },
        { requiredLiveScore: 0.9 },
      ]) {
        const other = decideOpenSet({ ...input, ...stricter });
        if (other.outcome === 'identified') expect(decision).toMatchObject({ personId: other.personId });
      }
    });
  });

  it('names only somebody above the threshold, clearly nearer than all others who are possible, and not refuted', () => {
    forAny((input) => {
      const { decision, candidates } = judgeOpenSet(input);
      if (decision.outcome !== 'identified') return;
      const chosen = candidates.find(({ personId }) => personId === decision.personId);
      expect(chosen?.failed).toBeUndefined();
      expect(decision.score).toBeGreaterThanOrEqual(input.threshold);
      const lead = (chosen?.negativeScore ?? -1) - decision.score;
      if (chosen?.negativeScore !== undefined) expect(lead).toBeLessThanOrEqual(input.negativeMargin ?? 0);
      for (const { personId, score, failed } of candidates) {
        if (personId === decision.personId || failed === 'hard-negatives') continue;
        expect(decision.score - score).toBeGreaterThanOrEqual(input.margin ?? 0);
      }
    });
  });

  it('without any further rule is the nearest person from the threshold on, ties to the smaller id', () => {
    forAny(({ candidates, threshold }) => {
      const plain = candidates.map(({ personId, score }) => ({ personId, score }));
      const best = Math.max(...plain.map(({ score }) => score));
      const winners = plain.filter(({ score }) => score === best).map(({ personId }) => personId);
      const decision = decideOpenSet({ candidates: plain, threshold, falseMatchRate: 1e-4 });
      if (plain.length === 0 || best < threshold) expect(decision.outcome).toBe('unknown');
      else expect(decision).toMatchObject({ outcome: 'identified', personId: winners.sort()[0] });
    });
  });

  it('says of each rule whether it was asked, and fails exactly one when it names nobody', () => {
    forAny((input) => {
      const { decision, rules } = judgeOpenSet(input);
      const failed = rules.filter(({ verdict }) => verdict === 'failed').map(({ rule }) => rule);
      expect(rules).toHaveLength(6);
      expect(failed).toHaveLength(decision.outcome === 'identified' ? 0 : 1);
      if (decision.outcome === 'ambiguous') expect(failed).toEqual(['margin']);
      if (decision.outcome === 'unknown') expect(['threshold', 'hard-negatives']).toContain(failed[0]);
    });
  });
});
