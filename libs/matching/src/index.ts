export { thresholdAt, type CalibrationPoint } from './calibration.js';
export { cosine } from './cosine.js';
export { driftsAfter, judgeDrift, type DriftRules } from './drift/judge-drift.js';
export {
  scoreShift,
  vectorAgreement,
  type EmbeddedTwice,
  type ScoreShift,
  type VectorAgreement,
} from './evaluation/agreement.js';
export { compareAll, dot, type Comparisons, type EvaluationImage } from './evaluation/comparisons.js';
export { trialsForRate } from './evaluation/binomial-bounds.js';
export { evaluateAt, thresholdFor, type SitePoint } from './evaluation/site-evaluation.js';
export { SiteScoring, type LabelledProbe, type PersonVector, type SiteScores } from './evaluation/site-scores.js';
export { trueAcceptInterval, type Interval } from './evaluation/identity-bootstrap.js';
export { drawHalf, openSetRates, runOpenSetTrial, type OpenSetTrial } from './evaluation/open-set-rates.js';
export { crossValidated, thresholdOf, type RatedThreshold } from './evaluation/operating-points.js';
export {
  deviation,
  mean,
  meanVector,
  median,
  percentile,
  separation,
  significant,
  unitSum,
} from './evaluation/statistics.js';
export { coarser, scoreHistogram, type ScoreHistogram } from './evaluation/score-histogram.js';
export { rocCurve, type RocPoint } from './evaluation/roc-curve.js';
export { subgroupRate, type SubgroupRate } from './evaluation/subgroup-rates.js';
export { verificationAccuracy, type ScoredPair } from './evaluation/verification.js';
export { AMBIGUITY_MARGIN, HARD_NEGATIVE_MARGIN } from './margins.js';
export {
  byScoreThenPerson,
  decideOpenSet,
  judgeOpenSet,
  openSetRuleNames,
  type JudgedPerson,
  type OpenSetDecision,
  type OpenSetInput,
  type OpenSetJudgement,
  type OpenSetRuleResult,
  type OpenSetRules,
  type OperatingPoint,
  type ScoredPerson,
} from './open-set.js';
export { searchPoint, type FalseMatchTarget, type SearchPoint } from './search-point.js';
export { comparisonRateFor, searchRateOf } from './search-rate.js';
