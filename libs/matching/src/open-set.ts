import { AppError, type ErrorCode, type PersonId } from '@sightline/kernel';

/** A person whom a search found, with the score of their nearest template. */
export interface ScoredPerson {
  readonly personId: PersonId;
  /** Cosine similarity, -1 to 1. */
  readonly score: number;
  /** Of the nearest probe that somebody has said is not this person, -1 to 1; undefined where there is none. */
  readonly negativeScore?: number | undefined;
}

/** The bar of a decision, and what it stands for. */
export interface OperatingPoint {
  /** Cosine similarity from which on a person counts as found. */
  readonly threshold: number;
  /** The false-match rate of one comparison at that threshold. */
  readonly falseMatchRate: number;
}

/** The answer of an open-set identification: "unknown" is one, and so is the refusal to decide. */
export type OpenSetDecision = OperatingPoint &
  (
    | { readonly outcome: 'identified'; readonly personId: PersonId; readonly score: number }
    /** The nearest two people lie too close together to tell; nearest first, `score` is that one's. */
    | { readonly outcome: 'ambiguous'; readonly personIds: readonly [PersonId, PersonId]; readonly score: number }
    /** `score` of the nearest person; absent when the gallery was empty. */
    | { readonly outcome: 'unknown'; readonly score?: number }
    | { readonly outcome: 'refused'; readonly refusalCode: ErrorCode }
  );

/** What is asked beyond the threshold. What is not given is not asked. */
export interface OpenSetRules {
  /** How much nearer than the second the nearest person must be, as a difference of cosines, from 0. */
  readonly margin?: number | undefined;
  /** How much nearer than a person a probe must be to what is not that person, to be not that person, from 0. */
  readonly negativeMargin?: number | undefined;
  /** Of the sighting, 0 to 1. */
  readonly minimumQuality?: number | undefined;
  /** What a presentation must look like at least, above 0, at most 1; also that it was looked at. */
  readonly requiredLiveScore?: number | undefined;
}

export interface OpenSetInput extends OperatingPoint, OpenSetRules {
  /** What one probe's search found, in any order. Pool the shots of a sighting into one probe before. */
  readonly candidates: readonly ScoredPerson[];
  /** Why the probe could not be compared, if so: then nothing is decided. */
  readonly refusalCode?: ErrorCode | undefined;
  /** Of the probe, 0 to 1. */
  readonly quality?: number | undefined;
  /** How live the person looked, 0 to 1; null or absent where nothing has looked. */
  readonly liveScore?: number | null | undefined;
}

export const openSetRuleNames = [
  'comparable',
  'quality',
  'presentation',
  'threshold',
  'hard-negatives',
  'margin',
] as const;
export type OpenSetRuleName = (typeof openSetRuleNames)[number];

/** What one rule said. `not-applied`: it was not asked, or an earlier one had decided already. */
export interface OpenSetRuleResult {
  readonly rule: OpenSetRuleName;
  readonly verdict: 'passed' | 'failed' | 'not-applied';
  /** What was asked and what was found, in the rule's own unit, where there are such numbers. */
  readonly required?: number;
  readonly found?: number;
}

export interface JudgedPerson extends ScoredPerson {
  /** By which rule they are not the one; of two who are ambiguous, `margin`. */
  readonly failed?: 'threshold' | 'hard-negatives' | 'margin';
}

/** A decision with the way there. */
export interface OpenSetJudgement {
  readonly decision: OpenSetDecision;
  /** One for each of {@link openSetRuleNames}, in order. */
  readonly rules: readonly OpenSetRuleResult[];
  /** Best first. */
  readonly candidates: readonly JudgedPerson[];
}

/**
 * Identifies the nearest person whose score reaches the threshold and of whom nobody has said that this is somebody
 * else, when the second nearest is clearly further away. Ties go to the smaller person id; where a margin is asked
 * they are ambiguous.
 *
 * A second person counts for the margin whether or not they reach the threshold themselves: a stranger's nearest two
 * are close together wherever they lie.
 *
 * @throws AppError `TEMPLATE.INVALID` for a score or threshold that is no number
 */
export function judgeOpenSet(input: OpenSetInput): OpenSetJudgement {
  const { threshold, falseMatchRate, candidates } = input;
  const operatingPoint = { threshold, falseMatchRate };
  if (Number.isNaN(threshold) || candidates.some(({ score }) => Number.isNaN(score))) {
    throw new AppError('TEMPLATE.INVALID', 'A score or threshold is not a number.');
  }
  const admission = admissionRules(input);
  const refusal = admission.find(({ code }) => code !== undefined);
  const judged = judgeCandidates(input);
  const ranked = judged.map(({ candidate }) => candidate);
  if (refusal?.code !== undefined) {
    const decision: OpenSetDecision = { ...operatingPoint, outcome: 'refused', refusalCode: refusal.code };
    return { decision, candidates: ranked, rules: inOrder(admission.map(({ result }) => result)) };
  }
  const settled = settle(input, judged);
  const { answer } = settled;
  const between = answer.outcome === 'ambiguous' ? new Set(answer.personIds) : undefined;
  return {
    decision: { ...operatingPoint, ...answer },
    candidates: ranked.map((one) => (between?.has(one.personId) ? { ...one, failed: 'margin' } : one)),
    rules: inOrder([...admission.map(({ result }) => result), ...settled.rules]),
  };
}

/** The decision of {@link judgeOpenSet} alone. */
export function decideOpenSet(input: OpenSetInput): OpenSetDecision {
  return judgeOpenSet(input).decision;
}

/** Best first; ties by person id, so that every gallery and every process agrees. */
export function byScoreThenPerson(a: ScoredPerson, b: ScoredPerson): number {
  if (a.score !== b.score) return b.score - a.score;
  return a.personId < b.personId ? -1 : Number(a.personId > b.personId);
}

interface Admission {
  readonly result: OpenSetRuleResult;
  /** Why nothing may be decided, if so. */
  readonly code?: ErrorCode;
}

/** What must hold before anybody is looked for, up to the first that does not. */
function admissionRules(input: OpenSetInput): Admission[] {
  const rules: Admission[] = [];
  for (const rule of [comparable, goodEnough, liveEnough]) {
    const admission = rule(input);
    rules.push(admission);
    if (admission.code !== undefined) break;
  }
  return rules;
}

function comparable({ refusalCode }: OpenSetInput): Admission {
  if (refusalCode === undefined) return { result: { rule: 'comparable', verdict: 'passed' } };
  return { result: { rule: 'comparable', verdict: 'failed' }, code: refusalCode };
}

function goodEnough({ quality, minimumQuality = 0 }: OpenSetInput): Admission {
  if (minimumQuality <= 0) return { result: { rule: 'quality', verdict: 'not-applied' } };
  const result = {
    rule: 'quality' as const,
    required: minimumQuality,
    ...(quality !== undefined && { found: quality }),
  };
  if ((quality ?? 0) >= minimumQuality) return { result: { ...result, verdict: 'passed' } };
  return { result: { ...result, verdict: 'failed' }, code: 'SIGHTING.LOW_QUALITY' };
}

function liveEnough({ liveScore, requiredLiveScore = 0 }: OpenSetInput): Admission {
  if (requiredLiveScore <= 0) return { result: { rule: 'presentation', verdict: 'not-applied' } };
  const result = { rule: 'presentation' as const, required: requiredLiveScore };
  if (liveScore === undefined || liveScore === null) {
    return { result: { ...result, verdict: 'failed' }, code: 'PRESENTATION.NOT_ASSESSED' };
  }
  const found = { ...result, found: liveScore };
  if (liveScore >= requiredLiveScore) return { result: { ...found, verdict: 'passed' } };
  return { result: { ...found, verdict: 'failed' }, code: 'PRESENTATION.NOT_LIVE' };
}

interface JudgedCandidate {
  readonly candidate: JudgedPerson;
  /** How much nearer the probe is to what is not this person; above the margin it is not. */
  readonly lead: number;
}

function judgeCandidates({ candidates, threshold, negativeMargin = 0 }: OpenSetInput): JudgedCandidate[] {
  return [...candidates].sort(byScoreThenPerson).map((candidate) => {
    const lead = (candidate.negativeScore ?? -Infinity) - candidate.score;
    if (candidate.score < threshold) return { candidate: { ...candidate, failed: 'threshold' as const }, lead };
    if (lead > negativeMargin) return { candidate: { ...candidate, failed: 'hard-negatives' as const }, lead };
    return { candidate, lead };
  });
}

type Answer =
  | { readonly outcome: 'identified'; readonly personId: PersonId; readonly score: number }
  | { readonly outcome: 'ambiguous'; readonly personIds: readonly [PersonId, PersonId]; readonly score: number }
  | { readonly outcome: 'unknown'; readonly score?: number };

function settle(
  { threshold, negativeMargin = 0, margin = 0 }: OpenSetInput,
  judged: readonly JudgedCandidate[],
): { readonly answer: Answer; readonly rules: readonly OpenSetRuleResult[] } {
  const [best] = judged;
  if (best === undefined) return { answer: { outcome: 'unknown' }, rules: [{ rule: 'threshold', verdict: 'failed' }] };
  const { score } = best.candidate;
  const bar = { rule: 'threshold' as const, required: threshold, found: score };
  if (score < threshold) return { answer: { outcome: 'unknown', score }, rules: [{ ...bar, verdict: 'failed' }] };
  const rules: OpenSetRuleResult[] = [{ ...bar, verdict: 'passed' }];
  const possible = judged.filter(({ candidate }) => candidate.failed !== 'hard-negatives');
  const [first, second] = possible;
  const isRefuted = first === undefined || first.candidate.failed !== undefined;
  const leads = judged.filter(({ lead }) => lead > -Infinity).map(({ lead }) => lead);
  if (leads.length > 0) {
    const found = Math.max(...leads);
    rules.push({ rule: 'hard-negatives', verdict: isRefuted ? 'failed' : 'passed', required: negativeMargin, found });
  }
  if (isRefuted) return { answer: { outcome: 'unknown', score }, rules };
  const { personId } = first.candidate;
  const identified: Answer = { outcome: 'identified', personId, score: first.candidate.score };
  if (margin <= 0) return { answer: identified, rules };
  if (second === undefined)
    return { answer: identified, rules: [...rules, { rule: 'margin', verdict: 'passed', required: margin }] };
  const found = first.candidate.score - second.candidate.score;
  const lead = { rule: 'margin' as const, required: margin, found };
  if (found >= margin) return { answer: identified, rules: [...rules, { ...lead, verdict: 'passed' }] };
  const personIds = [personId, second.candidate.personId] as const;
  return {
    answer: { outcome: 'ambiguous', personIds, score: first.candidate.score },
    rules: [...rules, { ...lead, verdict: 'failed' }],
  };
}

function inOrder(results: readonly OpenSetRuleResult[]): OpenSetRuleResult[] {
  return openSetRuleNames.map(
    (rule) => results.find((result) => result.rule === rule) ?? { rule, verdict: 'not-applied' },
  );
}
