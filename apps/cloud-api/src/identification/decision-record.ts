import type { rest } from '@sightline/contracts';
import type { PersonId } from '@sightline/kernel';
import { openSetRuleNames, type JudgedPerson, type OpenSetJudgement } from '@sightline/matching';

import type { DecisionFacts, StoredCandidate } from './decision-facts.js';
import type { FoundPerson, SearchResult } from './identification.js';

/** People further below the threshold than this explain nothing, and are not written down, a cosine. */
const NEAR_THE_BAR = 0.15;

export interface DecisionRecord {
  readonly facts: DecisionFacts;
  readonly candidates: readonly StoredCandidate[] | null;
  readonly candidateIds: PersonId[] | null;
}

const FAILED = { threshold: 't', 'hard-negatives': 'h', margin: 'm' } as const;
const failedNames = { t: 'threshold', h: 'hard-negatives', m: 'margin' } as const;

/** What is written down of a decision beside the decision itself. */
export function decisionRecord(
  { point, rules, basis, candidates: found }: Pick<SearchResult, 'point' | 'rules' | 'basis' | 'candidates'>,
  judgement: OpenSetJudgement,
): DecisionRecord {
  const templates = new Map(found.map(({ personId, templateId }) => [personId, templateId]));
  const near = judgement.candidates
    .filter(({ score, failed }) => score >= point.threshold - NEAR_THE_BAR || failed === 'margin')
    .flatMap((candidate): StoredCandidate[] => {
      const templateId = templates.get(candidate.personId);
      return templateId === undefined ? [] : [storedCandidate({ ...candidate, templateId })];
    });
  const { version, modelSpace, calibration } = basis.release;
  return {
    candidates: near.length === 0 ? null : near,
    candidateIds: near.length === 0 ? null : near.map(({ p }) => p),
    facts: {
      use: rules.use,
      policy: rules.policyVersion,
      ...(basis.site !== null && { site: basis.site }),
      ...(rules.groups.length > 0 && { groups: rules.groups }),
      n: basis.templatesSearched,
      fmr: point.wantedFalseMatchRate,
      ...(rules.target.falsePositiveRate !== undefined && { fpir: rules.target.falsePositiveRate }),
      ...(point.calibrationLimited && { limited: true }),
      ...(point.calibrationOffset !== 0 && { offset: point.calibrationOffset }),
      ...{ release: version, space: modelSpace.id, variant: calibration.variantDigest },
      ...(basis.probeVariantDigest !== calibration.variantDigest && { probeVariant: basis.probeVariantDigest }),
      rules: judgement.rules
        .filter(({ verdict }) => verdict !== 'not-applied')
        .map(({ rule, verdict, required, found: value }) =>
          required === undefined
            ? [rule, verdict === 'passed']
            : [rule, verdict === 'passed', rounded(required), value === undefined ? null : rounded(value)],
        ),
    },
  };
}

function storedCandidate({
  personId,
  templateId,
  score,
  negativeScore,
  failed,
}: FoundPerson & JudgedPerson): StoredCandidate {
  return {
    ...{ p: personId, t: templateId, s: rounded(score) },
    ...(negativeScore !== undefined && { n: rounded(negativeScore) }),
    ...(failed && { f: FAILED[failed] }),
  };
}

/** The rules in their order, those that were not asked too. */
export function ruleResults({ rules }: Pick<DecisionFacts, 'rules'>): rest.Identification['rules'] {
  return openSetRuleNames.map((rule) => {
    const asked = rules.find(([name]) => name === rule);
    if (asked === undefined) return { rule, verdict: 'not-applied', required: null, found: null };
    const [, passed, required = null, found = null] = asked;
    return { rule, verdict: passed ? 'passed' : 'failed', required, found };
  });
}

/** The rule by which somebody was out of the question. */
export function failedRule({ f }: StoredCandidate): 'threshold' | 'hard-negatives' | 'margin' | null {
  return f === undefined ? null : failedNames[f];
}

/** The two people of an ambiguous decision, nearest first, as far as they were not erased; nobody of any other. */
export function ambiguousBetween({
  outcome,
  candidates,
}: {
  readonly outcome: rest.Outcome;
  readonly candidates: readonly StoredCandidate[] | null;
}): readonly PersonId[] {
  if (outcome !== 'ambiguous') return [];
  return (candidates ?? []).filter(({ f }) => f === 'm').map(({ p }) => p);
}

/** To six digits: more than a cosine of float16 or int8 codes says. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
